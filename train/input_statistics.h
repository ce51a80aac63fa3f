/* SPDX-License-Identifier: MIT
 *
 * What training rows look like before anything is learned: mean, scale and the
 * spectrum of their covariance, in float64, over as many training rows as there
 * are held-out ones in the sample (at most 32,768). Kept with the SAE as
 * input.json. And what follows from it for the start of training.
 */
#ifndef TRAIN_INPUT_STATISTICS_H
#define TRAIN_INPUT_STATISTICS_H

#include "sae/pca.h"
#include "train/input.h"
#include "train/parameters.h"

struct input_statistics {
    struct spectrum spectrum; /* d 0 where rows are too wide for it */
    size_t rows;
    size_t active; /* dimensions that hold 99 % of the variance */
};

/* Of raw training rows (n, d). `axes`: also the directions, for
 * input_statistics_confine. */
int input_statistics_measure(struct input_statistics *s, const float *rows,
                             size_t n, size_t d, bool axes,
                             const struct team *team, struct err *e);
void input_statistics_free(struct input_statistics *s);

/* Active-subspace initialisation (Wang et al. 2025): decoder rows are projected
 * onto the dimensions that hold 99 % of the variance and made unit vectors
 * again, and the encoder is tied to them. Attention outputs use few of their
 * dimensions; rows drawn from all of them point mostly where nothing happens
 * and die. Changes nothing without axes. */
int input_statistics_confine(const struct input_statistics *s,
                             struct parameters *p, const struct team *team,
                             struct err *e);

/* input.json. */
int input_statistics_write(const struct input_statistics *s,
                           const struct input *in, const char *folder,
                           struct err *e);

#endif
