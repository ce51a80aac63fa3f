/* SPDX-License-Identifier: MIT */
#include "kernels/adam.h"

#include <math.h>

struct adam adam_at(double beta1, double beta2, double epsilon, double rate,
                    double t)
{
    return (struct adam){
        .beta1 = (float)beta1,
        .beta2 = (float)beta2,
        .epsilon = (float)epsilon,
        .rate = (float)(rate / (1 - pow(beta1, t))),
        .root_v = (float)(1 / sqrt(1 - pow(beta2, t))),
    };
}

void adam_update(const struct adam *a, float *restrict w, float *restrict m,
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
