/* SPDX-License-Identifier: MIT
 *
 * JumpReLU (Rajamanoharan et al. 2024b): f = h·1[h > θ], with a threshold θ >=
 * 0 of each feature. The loss is piecewise constant in θ; its gradient is
 * estimated with a rectangle of width ε, K(u) = 1[|u| < 1/2]:
 *
 *     ∂f/∂θ        = −(θ/ε)·K((h − θ)/ε)
 *     ∂1[h > θ]/∂θ = −(1/ε)·K((h − θ)/ε)
 *     ∂f/∂h        = 1[h > θ]
 *
 * which is the exact gradient of the loss with 1[h > θ] made a ramp of width ε
 * around θ, at h that stay. So pairs with h just under θ are in the code list,
 * too, with f = 0: they count for θ alone.
 *
 * θ itself is what Adam moves (others move log θ, which steps of Adam's size
 * hardly change where θ is small), it is held at 0 or above, and K sees h and
 * not f, which would leave out the lower half of the rectangle.
 *
 * Pre-activation loss (Anthropic, January 2025): for the features D that are
 * dead, c·(1/n) Σ_rows Σ_D relu(θ − h), which pulls up what never fires. As
 * they hardly ever are above θ, its gradient is that of all rows, the same for
 * every such feature, less that of the pairs with h > θ, which are in the list.
 */
#ifndef TRAIN_THRESHOLD_H
#define TRAIN_THRESHOLD_H

#include <stdbool.h>

#include "train/entries.h"
#include "train/penalty.h"

/* What a batch's entries are worked out with. */
struct threshold {
    const float *theta; /* (m) */
    float bandwidth;    /* ε */
    struct penalty penalty;
    double slope_l0; /* of the penalty, penalty_slope_l0 */
    size_t n;        /* rows */
    /* Pre-activation loss: */
    double pull; /* c; 0: none */
    const uint64_t *silent;
    uint64_t dead_tokens;
};

/* From h to f. Returns how many are active. */
size_t threshold_activate(const float *theta, const struct entries *row);

/* g and side of a row; returns Σ penalty_value over its activations. */
double threshold_gradient(const struct threshold *t, const struct entries *row);

/* Whether feature i is pulled. */
static inline bool threshold_pulls(const struct threshold *t, size_t i)
{
    return t->pull > 0 && t->silent[i] >= t->dead_tokens;
}

#endif
