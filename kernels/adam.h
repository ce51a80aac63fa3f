/* SPDX-License-Identifier: MIT
 *
 * Adam (Kingma & Ba 2015) on one contiguous row:
 *
 *     m ← β1·m + (1 − β1)·g,  v ← β2·v + (1 − β2)·g²
 *     w ← w − rate · m̂ / (√v̂ + ε),  m̂ = m / (1 − β1^t),  v̂ = v / (1 − β2^t)
 */
#ifndef KERNELS_ADAM_H
#define KERNELS_ADAM_H

#include <stddef.h>

/* Constants of one step, the same for all rows. */
struct adam {
    float beta1, beta2, epsilon;
    float rate;   /* learning rate / (1 − β1^t) */
    float root_v; /* 1 / √(1 − β2^t) */
};

/* Constants of step t, the first being 1. */
struct adam adam_at(double beta1, double beta2, double epsilon, double rate,
                    double t);

/* Updates w, m and v (n) by the gradient g·scale (n). */
void adam_update(const struct adam *a, float *w, float *m, float *v,
                 const float *g, float scale, size_t n);

#endif
