/* SPDX-License-Identifier: MIT
 *
 * The training curve: what a run measures on its way, a line of metrics.jsonl
 * every so many steps (train/record.h writes it). The rule is that of training,
 * so rows are measured no more than a batch at a time. They are the same rows
 * every time: held-out ones, and as many that train, evenly spread over the
 * samples that headscope.json rests on.
 *
 * Cost: a point is two forward passes, each about three quarters of a step over
 * as many rows. With a 32nd of the rows from one point to the next for each of
 * them the curve takes a twentieth of the time.
 */
#ifndef TRAIN_CURVE_H
#define TRAIN_CURVE_H

#include <stdio.h>

#include "sae/metrics.h"
#include "train/input.h"
#include "train/step.h"

struct curve {
    float *held_out, *train; /* (rows, d), (train_rows, d), scaled */
    size_t rows, train_rows;
    struct metrics figures; /* of held_out, at the last point */
    double train_fvu;       /* of train, at the last point */
    FILE *file;             /* metrics.jsonl; NULL: not open */
    struct arena arena;
};

/* How many rows of either kind a curve takes that has a point every so many
 * steps: at least 256, at most 4096, and no more than a batch. */
size_t curve_rows(uint64_t every, size_t batch);

/* Takes so many rows of either kind, or what there is; `training` (n, d) are
 * raw rows that train. */
int curve_init(struct curve *c, const struct input *in, const float *training,
               size_t n, size_t rows, struct err *e);
/* Leaves the file, if it is open, as it is. */
void curve_free(struct curve *c);

/* Begins a metrics.jsonl in `folder`. */
int curve_begin(struct curve *c, const char *folder, struct err *e);
/* Goes on with the first `bytes` of the one in `from`, which may be `folder`.
 */
int curve_go_on(struct curve *c, const char *folder, const char *from,
                uint64_t bytes, struct err *e);
/* Brings what was written to the disk; *bytes: its length. */
int curve_sync(struct curve *c, uint64_t *bytes, struct err *e);
int curve_end(struct curve *c, struct err *e);

/* Fills figures and train_fvu with those of the step's parameters; `heads`
 * divides d. What the step learns is not touched. */
int curve_measure(struct curve *c, struct step *s, const struct step_plan *plan,
                  size_t heads, struct err *e);

#endif
