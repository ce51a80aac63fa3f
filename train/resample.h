/* SPDX-License-Identifier: MIT
 *
 * Resampling (Bricken et al. 2023, as Kissane et al. 2024 have it): every so
 * many steps, a few times, features that hardly fired in the window of steps
 * before begin anew. Rows are drawn without replacement with probability
 * proportional to the square of their squared error; with such a row x,
 *
 *     v = (x − b_dec)/‖x − b_dec‖
 *     W_dec[i] = v,  W_enc[i] = 0.2·(mean ‖W_enc‖ of the others)·v,  b_enc[i] =
 * 0
 *
 * and Adam's moments of the feature are zeroed. The learning rate then warms up
 * again (train/schedule.h). Rows are drawn from the sample of training rows
 * that a run has anyway, where Kissane et al. take 100 batches more.
 */
#ifndef TRAIN_RESAMPLE_H
#define TRAIN_RESAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "train/step.h"

struct resampling {
    uint64_t times, every, window; /* steps; times 0: off */
    double below; /* dead: active at this share of the window's rows, or less */
};

/* The last step up to t − 1 after which features were resampled; 0: none. */
uint64_t resample_last(const struct resampling *r, uint64_t t);
/* Whether features are resampled after step t; whether activations begin to be
 * counted after it. */
bool resample_is_due(const struct resampling *r, uint64_t t);
bool resample_begins_window(const struct resampling *r, uint64_t t);

/* Resamples after step t. `rows` (n, d) are scaled training rows, `plan` that
 * of step t. *count: how many features began anew, at most n. */
int resample(struct step *s, const struct resampling *r, const float *rows,
             size_t n, const struct step_plan *plan, uint64_t seed,
             size_t *count, struct err *e);

#endif
