/* SPDX-License-Identifier: MIT
 *
 * Template: Adam for the registers of the lanes.h that is included before.
 */
#ifndef KERNELS_LANES_ADAM_H
#define KERNELS_LANES_ADAM_H

#include "kernels/kernels.h"

/* The constants of struct adam in every lane. */
struct constants {
    lanes b1, c1, b2, c2, rate, root_v, epsilon, scale;
};

static inline void adam_lanes(const struct constants *c, lanes *w, lanes *m,
                              lanes *v, lanes g)
{
    g = lanes_mul(g, c->scale);
    *m = lanes_fma(c->b1, *m, lanes_mul(c->c1, g));
    *v = lanes_fma(c->b2, *v, lanes_mul(lanes_mul(c->c2, g), g));
    lanes divisor = lanes_fma(lanes_sqrt(*v), c->root_v, c->epsilon);
    *w = lanes_sub(*w, lanes_div(lanes_mul(c->rate, *m), divisor));
}

static void adam(const struct adam *a, float *w, float *m, float *v,
                 const float *g, float scale, size_t n)
{
    const struct constants c = {
        .b1 = lanes_set(a->beta1),
        .c1 = lanes_set(1 - a->beta1),
        .b2 = lanes_set(a->beta2),
        .c2 = lanes_set(1 - a->beta2),
        .rate = lanes_set(a->rate),
        .root_v = lanes_set(a->root_v),
        .epsilon = lanes_set(a->epsilon),
        .scale = lanes_set(scale),
    };
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        lanes wi = lanes_load(w + i), mi = lanes_load(m + i);
        lanes vi = lanes_load(v + i);
        adam_lanes(&c, &wi, &mi, &vi, lanes_load(g + i));
        lanes_store(w + i, wi);
        lanes_store(m + i, mi);
        lanes_store(v + i, vi);
    }
    if (i < n) {
        size_t left = n - i;
        lanes wi = lanes_load_first(w + i, left);
        lanes mi = lanes_load_first(m + i, left);
        lanes vi = lanes_load_first(v + i, left);
        adam_lanes(&c, &wi, &mi, &vi, lanes_load_first(g + i, left));
        lanes_store_first(w + i, wi, left);
        lanes_store_first(m + i, mi, left);
        lanes_store_first(v + i, vi, left);
    }
}

#endif
