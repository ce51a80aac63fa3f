/* SPDX-License-Identifier: MIT
 *
 * The rows of one layer as training sees them: split, measured, shuffled and
 * scaled. Inputs are multiplied by one scalar, scale = √(d / E‖x − μ‖²), so
 * that rates and thresholds mean the same for every model; b_dec begins at the
 * mean. Both come from a float64 pass over training rows.
 */
#ifndef TRAIN_INPUT_H
#define TRAIN_INPUT_H

#include "base/team.h"
#include "dump/shuffle.h"

struct input {
    const struct dump *dump;
    int layer;
    size_t d;
    struct row_set train, held_out;
    struct shuffle *order; /* NULL until input_shuffle */
    float *mean;           /* (d), raw units */
    double scale;
    uint64_t measured; /* rows that mean and scale come from */
    float *sample;     /* (sample_rows, d) held-out rows, raw units */
    size_t sample_rows;
    struct arena arena;
};

/* Splits and measures; reads the held-out sample (at most 32768 rows, evenly
 * spread). Keeps `dump`. */
int input_open(struct input *in, const struct dump *dump, int layer,
               double held_out, uint64_t seed, const struct team *team,
               struct err *e);
/* Begins the shuffled order with a reservoir of `memory` bytes. */
int input_shuffle(struct input *in, uint64_t seed, uint64_t memory,
                  struct err *e);
void input_close(struct input *in);

/* The next n training rows, scaled: out (n, d). */
int input_next(struct input *in, float *out, size_t n, struct err *e);

#endif
