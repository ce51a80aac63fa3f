/* SPDX-License-Identifier: MIT
 *
 * An order of insertion that fills pages. When the last page of a WITHOUT ROWID
 * tree overflows, SQLite spreads the last three pages over four so that the
 * first of them, which ascending keys never touch again, is left 7/8 full. So
 * of rows in key order every ninth is held back and inserted once its page has
 * been left: 8/9 of the rows fill 7/8, and all of them 98 %. Without this
 * activations take 12 % more. Only density rests on how SQLite does it.
 */
#ifndef STORE_FULL_PAGES_H
#define STORE_FULL_PAGES_H

#include "store/writer.h"

struct full_pages {
    const struct store_source *rows; /* in key order */
    size_t row_bytes;
    const char *batch; /* of them, what is left */
    size_t n_batch;
    char *out;    /* what is given next */
    char *before; /* held back from the block before */
    char *held;   /* and from this one */
    size_t n_before;
    bool ended;
};

/* Begins a source that gives the rows of another in that order. full_pages_free
 * also after a failure. */
int full_pages_init(struct full_pages *d, const struct store_source *rows,
                    size_t row_bytes, struct err *e);
void full_pages_free(struct full_pages *d);

/* As store_source.next; ctx is the struct full_pages. */
int full_pages_next(void *ctx, const void **rows, size_t *n, struct err *e);

#endif
