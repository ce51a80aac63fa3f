/* SPDX-License-Identifier: MIT
 *
 * What changes from step to step by the step's number alone, the first being 1.
 */
#ifndef TRAIN_SCHEDULE_H
#define TRAIN_SCHEDULE_H

#include "train/options.h"

/* Learning rate: it rises over the warm-up, from warmup_floor of itself, in a
 * line or half a cosine, stays, and falls in a line to zero. After each
 * resampling it rises again. */
double train_rate_at(const struct train_config *c, uint64_t t);

/* k falls linearly from min(4k, m/8), if that is more, to its value. */
size_t train_k_at(const struct train_config *c, uint64_t t);

/* Makes `steps` the end of a run that has come to its own at step `from`: the
 * rate stays and falls again over the last part of the extension, k stays. */
void train_extend(struct train_config *c, uint64_t from, uint64_t steps);

#endif
