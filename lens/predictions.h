/* SPDX-License-Identifier: MIT
 *
 * What a model predicts at the end of a pass, without keeping all logits: they
 * are made for a few rows at a time.
 */
#ifndef LENS_PREDICTIONS_H
#define LENS_PREDICTIONS_H

#include "lens/runner.h"

/* One thread's room. */
struct predictions {
    const struct gpt2 *model;
    float *logits, *other; /* (PREDICTIONS_ROWS, vocab) */
};
enum { PREDICTIONS_ROWS = 64 };

/* Memory from the arena. */
int predictions_init(struct predictions *p, const struct gpt2 *model,
                     struct arena *arena, struct err *e);

/* Sum over the group's tokens that have one behind them of −ln p(the next
 * token), from the residual stream x (rows, d_model) after all layers. In
 * double, row by row. */
double predictions_loss(struct predictions *p, const struct runner_group *g,
                        const float *x);

/* The same of each of n other streams, x[i], and over the same tokens the sum
 * of KL(p ‖ q) = Σ_v p(v)·ln(p(v) / q(v)), p from `clean` and q from x[i]. Adds
 * to sums[i]. Logits of `clean` are made once for all. */
struct prediction_sums {
    double loss, kl;
};
void predictions_compare(struct predictions *p, const struct runner_group *g,
                         const float *clean, float *const *x, size_t n,
                         struct prediction_sums *sums);

/* ln Σ exp of n logits. */
double predictions_log_sum(const float *logits, size_t n);

/* KL(p ‖ q) of one row's logits, given the log sums of both. */
double predictions_divergence(const float *p, double log_p, const float *q,
                              double log_q, size_t n);

#endif
