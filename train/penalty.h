/* SPDX-License-Identifier: MIT
 *
 * What a loss adds so that few features are active, of a batch of n rows with
 * activations f; u = f·‖W_dec[i]‖, which is f where decoder rows are unit
 * vectors (the default; with free rows the norm keeps activations from
 * shrinking while rows grow, Conerly et al. 2024):
 *
 *     L1      λ·(1/n) Σ u                      Bricken et al. 2023
 *     Lp      λ·(1/n) Σ (u + δ)^p − δ^p        p-annealing, Karvonen et al.
 *                                              2024, who have u^p, whose slope
 *                                              is infinite at 0; δ = 1e-3
 *     tanh    λ·(1/n) Σ tanh(4·u)              Anthropic, January 2025
 *     L0      λ·L0,  L0 = (1/n) Σ 1[f > 0]     Rajamanoharan et al. 2024b
 *     target  λ·(L0/T − 1)²                    the same, with a target T
 *
 * L0 has no gradient by f: it is for thresholds, by an estimator
 * (train/threshold.h). Gated SAEs have u = relu(π), see train/gate.h.
 */
#ifndef TRAIN_PENALTY_H
#define TRAIN_PENALTY_H

#include <stdbool.h>
#include <stddef.h>

enum penalty_kind {
    PENALTY_NONE,
    PENALTY_LP, /* L1 with p 1 */
    PENALTY_TANH,
    PENALTY_L0,
    PENALTY_TARGET,
};

struct penalty {
    enum penalty_kind kind;
    double weight; /* λ */
    double p;      /* of Lp, 0 < p <= 1 */
    double target; /* T */
};

/* What u > 0 adds to the sum, without λ; its slope by u, with λ. */
double penalty_value(const struct penalty *q, double u);
double penalty_slope(const struct penalty *q, double u);

/* The whole term, from the batch's sum; its slope by L0 (0 where that is not
 * what it counts). */
double penalty_loss(const struct penalty *q, double sum, size_t n);
double penalty_slope_l0(const struct penalty *q, double active, size_t n);

#endif
