/* SPDX-License-Identifier: MIT
 *
 * The SAE of O'Neill & Bui 2024 that all heads share, as their code has it. Its
 * rows are vectors of single heads, uncentred and unscaled.
 *
 *     f = max((x − b)·W_enc + c, 0),   x̂ = f·W_dec + b
 *     L = mean over rows and d of (x̂ − x)² + λ · mean over rows of Σ f
 *
 * Encoder rows, one a feature, are unit vectors. Of the decoder it is the rows
 * that PyTorch's Linear has, one for each of the d outputs over all features,
 * that are unit vectors, not the features' directions: a quirk that is kept,
 * because scores depend on it. Gradients have their part along these rows
 * removed; full-batch Adam (0.9, 0.999). Start: both matrices normal, then
 * normalised; b zero; c uniform in ±1/√d.
 *
 * Beside the encoder product only active features are touched: after some
 * twenty steps a row has one or none.
 */
#ifndef CIRCUIT_SHARED_H
#define CIRCUIT_SHARED_H

#include <stdint.h>

#include "base/arena.h"
#include "base/team.h"

struct shared {
    size_t n, d;  /* features; of a row */
    float *w_enc; /* (n, d) */
    float *w_dec; /* (n, d) */
    float *b;     /* (d) */
    float *c;     /* (n) */
    struct arena arena;
};

struct shared_options {
    size_t features, steps;
    double lambda, rate;
};

/* Room and the random start. */
int shared_init(struct shared *s, size_t d, const struct shared_options *o,
                uint64_t seed, struct err *e);
void shared_free(struct shared *s);

/* What the last step saw. */
struct shared_figures {
    double loss, error; /* L, and its first term */
    double l0;          /* mean number of active features of a row */
};

/* Trains from where *s stands on x (rows, d), o->steps steps. The result does
 * not depend on the number of threads. */
int shared_train(struct shared *s, struct shared_figures *f, const float *x,
                 size_t rows, const struct shared_options *o,
                 const struct team *team, struct err *e);

/* code[row] = the feature with the largest f of a row, the first of equals; -1
 * where none is active, which the paper's code takes for feature 0. */
int shared_codes(const struct shared *s, int32_t *code, const float *x,
                 size_t rows, const struct team *team, struct err *e);

#endif
