/* SPDX-License-Identifier: MIT
 *
 * One reading of a dump's rows, which one or several SAEs are trained from:
 * split into training and held-out contexts, measured in float64, shuffled. All
 * figures are of the view's columns, so that an SAE that takes some of them
 * (one head) finds its own.
 */
#ifndef TRAIN_READING_H
#define TRAIN_READING_H

#include "base/team.h"
#include "dump/shuffle.h"

struct reading_options {
    double held_out; /* share of the contexts */
    uint64_t seed;
    uint64_t memory;      /* bytes of the shuffle's reservoirs */
    bool skip_bos;        /* leave out the first token of every context */
    double skip_outliers; /* leave out tokens whose norm is above so many times
                             the median; 0: none */
};

struct reading {
    const struct dump *dump;
    const struct view *view;
    struct row_set train, held_out;
    uint64_t left_out; /* tokens */
    struct shuffle *order;
    double *sum, *square; /* (width) of each column over measured rows */
    uint64_t measured;  /* rows behind them: all, or a million spread evenly */
    float *sample;      /* (sample_rows, width) held-out rows, raw units */
    size_t sample_rows; /* at most 32768, evenly spread */
    struct arena arena;
};

/* Keeps the view. */
int reading_open(struct reading *r, const struct view *view,
                 const struct reading_options *o, const struct team *team,
                 struct err *e);
/* Only the split: train, held_out and left_out. */
int reading_split(struct reading *r, const struct view *view,
                  const struct reading_options *o, struct err *e);
void reading_close(struct reading *r);

/* The next n training rows, raw: out (n, width). */
int reading_next(struct reading *r, float *out, size_t n, struct err *e);

#endif
