/* SPDX-License-Identifier: MIT
 *
 * AuxK (Gao et al. 2024): dead features learn to explain what the others leave
 * over. With r = x − x̂, held constant, the rows S, and a the k_aux largest
 * positive pre-activations of a row among the dead features,
 *
 *     r̂ = Σ_i a_i·W_dec[i]                      without b_dec
 *     L_aux = α·d · Σ_S ‖r̂ − r‖² / Σ_S ‖r − mean r‖²
 *
 * k_aux = min(number of dead features, d/2), and d brings the loss to the scale
 * of the main one, which is d·FVU. Gradients go to W_dec, W_enc, b_enc and,
 * through x − b_dec, to b_dec. Other trainers multiply by min(1, dead/(d/2));
 * that keeps the last dead features dead and does not lower FVU (figures:
 * docs/metrics.md).
 *
 * With d/2 features a row this would cost more than the step itself, so S may
 * be one of several equal parts of the batch, another each step. Rows are in
 * random order: the loss is that of all rows in expectation. One part is the
 * full form.
 */
#ifndef TRAIN_AUXK_H
#define TRAIN_AUXK_H

#include "base/arena.h"
#include "sae/forward.h"
#include "train/parameters.h"

struct auxk {
    uint32_t *dead; /* (n_dead) feature numbers, ascending */
    size_t n_dead;
    struct encoder encoder; /* theirs, packed; exact, as so many are active
                               that rescoring would cost more */
    /* Of the last step: */
    size_t first, n; /* S = rows [first, first + n) of the batch; n 0: none */
    struct codes codes;
    float *gradient; /* (n, d) ∂L_aux/∂r̂ */
    float *g;        /* ∂L_aux/∂a of each entry of codes */
    size_t gradient_capacity, g_capacity;
    double loss; /* L_aux */
};

int auxk_init(struct auxk *a, const struct parameters *p, struct arena *arena,
              struct err *e);
void auxk_free(struct auxk *a);

/* What a step gives to it. */
struct auxk_input {
    struct forward *forward;
    const float *centred; /* (n, d) x − b_dec */
    const float *error;   /* (n, d) a multiple of x̂ − x: */
    float unit;           /* x̂ − x = unit·error */
    size_t n;
    size_t parts;           /* S is one of so many parts of the rows */
    uint64_t t;             /* number of the step: which part */
    const uint64_t *silent; /* (m) tokens since last active */
    uint64_t dead_tokens;   /* silent for so long is dead */
    double alpha;           /* 0: off */
};

/* Finds the dead features and leaves codes, gradient and g. Without dead
 * features, or without anything left over, n is 0. */
int auxk_run(struct auxk *a, const struct parameters *p,
             const struct auxk_input *in, struct err *e);

#endif
