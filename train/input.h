/* SPDX-License-Identifier: MIT
 *
 * The rows of a reading as one SAE sees them: some of the columns, scaled.
 * Inputs are multiplied by one scalar, scale = √(d / E‖x − μ‖²), so that rates
 * and thresholds mean the same for every model; b_dec begins at the mean. Both
 * come from the reading's float64 sums over training rows.
 */
#ifndef TRAIN_INPUT_H
#define TRAIN_INPUT_H

#include "train/reading.h"

struct input {
    const struct reading *reading;
    size_t first, d; /* columns of the reading's rows */
    float *mean;     /* (d), raw units */
    double scale;
    double variance; /* E‖x − μ‖², raw */
    float *sample;   /* (sample_rows, d) held-out rows, raw units */
    size_t sample_rows;
    struct arena arena;
};

/* Keeps the reading. Refuses columns that do not vary. */
int input_open(struct input *in, const struct reading *r, size_t first,
               size_t d, struct err *e);
void input_close(struct input *in);

/* Takes and scales its columns: rows (n, reading's width), out (n, d). */
void input_take(const struct input *in, float *out, const float *rows,
                size_t n);

/* About as many training rows as there are held-out ones in the sample, evenly
 * spread, raw: *out (*n, d), from the arena. */
int input_training_sample(float **out, size_t *n, const struct input *in,
                          struct arena *arena, struct err *e);

#endif
