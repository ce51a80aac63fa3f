/* SPDX-License-Identifier: MIT
 *
 * The same step as trainers on dense autograd do it: full products by OpenBLAS
 * with all threads, and (n, m) matrices for pre-activations, activations and
 * their gradients. With AuxK on all rows these are eight products of n·d·m:
 *
 *     h = x·W_encᵀ + b     x̂ = f·W_dec        r̂ = a·W_dec
 *     G·W_decᵀ              fᵀ·G               G_aux·W_decᵀ    aᵀ·G_aux
 *     (∂L/∂h)ᵀ·x
 *
 * Formulas are those of train/step.h and train/auxk.h; ties at the cut are all
 * kept. Nothing is done slowly on purpose: rows and features are shared out
 * over the threads, and the cut is found by counting.
 */
#ifndef BENCH_DENSE_H
#define BENCH_DENSE_H

#include "train/step.h"

struct dense {
    struct parameters *p;
    const struct team *team;
    size_t n;
    float *centred, *residual, *left;        /* (n, d) */
    float *h, *a, *dh;                       /* (n, m); h becomes f */
    float *g_enc, *g_dec, *g_b_enc, *g_bias; /* gradients */
    uint32_t *bins;                          /* (threads, bins) */
    uint32_t *dead;
    size_t n_dead;
    double *row_loss; /* (n) */
    double *norm;     /* (feature chunks) */
    double last_norm;
    struct arena arena;
};

/* Keeps p and team; steps have n rows. */
int dense_init(struct dense *t, struct parameters *p, const struct team *team,
               size_t n, struct err *e);
void dense_free(struct dense *t);

/* One step of BatchTopK; `silent` (m) says which features are dead and is not
 * changed. */
int dense_step(struct dense *t, const float *x, const struct step_plan *plan,
               const uint64_t *silent, struct step_result *out, struct err *e);

#endif
