/* SPDX-License-Identifier: MIT
 *
 * What a score of heads has to beat: plain measures of how a head's vectors
 * differ between positive and negative examples, without any codes.
 */
#ifndef CIRCUIT_CONTROLS_H
#define CIRCUIT_CONTROLS_H

#include "circuit/task.h"

/* score[h] = ‖mean of positives − mean of negatives‖ by label (n), the task's
 * or others with as many positives. score (heads). */
int controls_mean_difference(double *score, const struct task *t,
                             const int8_t *label, struct err *e);

/* score[h] = the share of the variance of positive examples that lies between
 * those with different answers; examples without one are left out. By chance it
 * is (answers − 1) / (examples − 1) for every head. 0 where nothing varies, NaN
 * without answers. */
int controls_answer_share(double *score, const struct task *t, struct err *e);

/* score[h] = the share of held-out examples that a logistic probe on the head's
 * vectors gets right: half of each class, drawn by seed, trains it (features
 * standardised on that half, L2 penalty 1, gradient descent until it has
 * converged or 200 steps), the other half is scored. */
int controls_probe(double *score, const struct task *t, uint64_t seed,
                   const struct team *team, struct err *e);

#endif
