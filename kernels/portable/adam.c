/* SPDX-License-Identifier: MIT */
#include "kernels/portable/portable.h"

#include <math.h>

static void adam(const struct adam *a, float *restrict w, float *restrict m,
                 float *restrict v, const float *restrict g, float scale,
                 size_t n)
{
    const float b1 = a->beta1, c1 = 1 - a->beta1;
    const float b2 = a->beta2, c2 = 1 - a->beta2;
    const float rate = a->rate, root_v = a->root_v, epsilon = a->epsilon;
    for (size_t i = 0; i < n; i++) {
        float gradient = g[i] * scale;
        m[i] = b1 * m[i] + c1 * gradient;
        v[i] = b2 * v[i] + c2 * gradient * gradient;
        w[i] -= rate * m[i] / (sqrtf(v[i]) * root_v + epsilon);
    }
}

void portable_adam(struct kernels *k)
{
    k->adam = adam;
}
