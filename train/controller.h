/* SPDX-License-Identifier: MIT
 *
 * The penalty from step to step: its power, and its coefficient λ, which is
 * either given, rising from 0 over a warm-up, or steered, so that nobody has to
 * search for the one that gives an L0.
 *
 * Steering. Over the warm-up the L0 that is asked for comes down from what the
 * first step had, L_1, to the target T by a constant factor a step,
 *
 *     L(t) = T·(L_1/T)^(1 − t/warm-up),
 *
 * and stays there. After each step, with r = log(L0/L(t)) held within ±1,
 *
 *     log λ += G_i·r + G_p·(r − r_before)
 *
 * in steps of 1/1000 of the run: a controller with integral and proportional
 * part, in logarithms, as λ and L0 are each known up to a factor only. λ begins
 * where the penalty is 1/100 of the first step's loss, and the penalty is held
 * below three times ‖e‖²: thresholds move no faster for more, as Adam divides
 * by the size of gradients, and λ would go on rising until they are there.
 *
 * p-annealing (Karvonen et al. 2024): the power falls in a line from 1 to its
 * end; so that the penalty neither jumps nor fades, λ is multiplied by Σ u / Σ
 * φ(u) of the batches before (theirs is rescaled at ten steps of p, by the
 * ten batches before each).
 */
#ifndef TRAIN_CONTROLLER_H
#define TRAIN_CONTROLLER_H

#include <stdint.h>

#include "train/step.h"

/* What is asked for. */
struct sparsity {
    enum penalty_kind kind;
    bool steered;
    double lambda;         /* where it is not steered */
    double target;         /* L0 */
    double spread;         /* E‖x − μ‖² of the rows as they train */
    uint64_t warmup_until; /* step */
    double p_end;
    uint64_t p_from, p_until;
    float bandwidth; /* JumpReLU's ε */
    double threshold_start, pull;
};

/* What a run knows of it; all of it goes into the checkpoint. Zero it to begin.
 */
struct controller {
    double lambda;   /* 0: before the first step */
    double first_l0; /* L_1 */
    double error;    /* r of the step before */
    double ratio;    /* Σ u / Σ φ(u); 0: not known */
};
enum { CONTROLLER_NUMBERS = sizeof(struct controller) / sizeof(double) };

/* The penalty of step t, the first being 1. */
struct penalty controller_penalty(const struct controller *c,
                                  const struct sparsity *s, uint64_t t);

/* Learns from step t of `steps`. */
void controller_observe(struct controller *c, const struct sparsity *s,
                        uint64_t t, uint64_t steps,
                        const struct step_result *result);

#endif
