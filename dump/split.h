/* SPDX-License-Identifier: MIT
 *
 * Which rows train and which are held out: whole contexts, drawn by seed, so
 * that no held-out token has its neighbours in training. Without contexts, or
 * with a single one, blocks of 256 rows stand in for them.
 */
#ifndef DUMP_SPLIT_H
#define DUMP_SPLIT_H

#include <stdbool.h>

#include "dump/dump.h"

/* Ascending, disjoint ranges of dump rows; row i of the set is found by
 * binary search over `before`. */
struct row_set {
    size_t n;         /* ranges */
    uint64_t *first;  /* [n] dump row where a range begins */
    uint64_t *before; /* [n + 1] rows of the set before it; [n] = total */
    struct arena arena;
};

/* Draws about `held_out` (0 <= share < 1) of the contexts into `test`, the
 * rest into `train`. Fails if either comes out empty, except that held_out 0
 * gives an empty test set. */
int split_rows(struct row_set *train, struct row_set *test,
               const struct dump *d, double held_out, uint64_t seed,
               struct err *e);
void row_set_free(struct row_set *s);

/* Takes out the rows that are marked in leave[dump row]. */
int row_set_leave_out(struct row_set *s, const bool *leave, struct err *e);

uint64_t row_set_total(const struct row_set *s);
/* The dump row of row i, and through *run how many rows of the set follow
 * there without a gap (at least 1). */
uint64_t row_set_at(const struct row_set *s, uint64_t i, uint64_t *run);

/* About `rows` (> 0) of a set as a set of its own: all rows if there are no
 * more, else blocks of 256, evenly spread. */
enum { ROW_SET_SAMPLE = 32768 }; /* rows that held-out figures rest on */
int row_set_sample(struct row_set *out, const struct row_set *in, uint64_t rows,
                   struct err *e);

/* Reads rows [first, first + n) of the set, converted and checked. */
int row_set_read(const struct row_set *s, const struct dump *d, int layer,
                 uint64_t first, size_t n, float *out, struct err *e);

#endif
