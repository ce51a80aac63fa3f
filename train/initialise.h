/* SPDX-License-Identifier: MIT
 *
 * Where training starts: decoder rows random on the sphere, W_enc = c·W_dec,
 * b_enc = 0, b_dec = the mean of the scaled inputs; gates open where the
 * magnitude is positive; one threshold for all features.
 */
#ifndef TRAIN_INITIALISE_H
#define TRAIN_INITIALISE_H

#include "train/input.h"
#include "train/input_statistics.h"
#include "train/step.h"

/* What can be told otherwise. */
struct start {
    double encoder_scale; /* c; 0: chosen */
    bool untied;          /* W_enc is c times random rows of its own */
    bool zero_bias;       /* b_dec = 0 */
    double threshold;     /* 0: chosen */
    size_t target;        /* active features a row, for that choice */
    uint64_t seed;
};

/* Draws the parameters of `s`, confined to the axes of `statistics` if it has
 * any. c is given, or where that is 0 chosen by the held-out sample of `in`:
 * with b_enc = 0 the selected features do not depend on c > 0, and with y the
 * reconstruction for c = 1 the error Σ‖x − b_dec − c·y‖² is least at
 * c = Σ⟨x − b_dec, y⟩ / Σ‖y‖². Thresholds are chosen so that four times the
 * target are active on that sample, as k begins at four times its value: so
 * JumpReLU is sparse from the first step. */
int initialise(struct step *s, const struct input *in,
               const struct input_statistics *statistics,
               const struct step_plan *plan, const struct start *start,
               struct err *e);

#endif
