/* SPDX-License-Identifier: MIT */
#include "tests/kernels/quantised.h"

#include <math.h>
#include <string.h>

void quantise(struct quantised *out, const float *x, size_t d)
{
    memset(out, 0, sizeof *out);
    for (size_t j = 0; j < d; j += QUANTISED_DEPTHS) {
        const size_t s = out->segments++;
        const size_t n = d - j < QUANTISED_DEPTHS ? d - j : QUANTISED_DEPTHS;
        float most = 0, zero = 0;
        for (size_t i = 0; i < n; i++) {
            most = fmaxf(most, fabsf(x[j + i]));
            zero += 0 * x[j + i]; /* a NaN if any is not finite */
        }
        if (isnan(zero))
            out->scale[s] = NAN;
        else if (most >= 0x1p-119f)
            out->scale[s] = most / 127;
        for (size_t i = 0; i < n && out->scale[s] > 0; i++) {
            const float steps = x[j + i] * (127 / most);
            out->q[s][i] = (int8_t)lrintf(steps);
            out->lost[s] += out->q[s][i] == 0 ? (double)(steps * steps) : 0;
        }
    }
}

void quantised_floats(float *out, const struct quantised *x, size_t d)
{
    for (size_t j = 0; j < d; j++) {
        const size_t s = j / QUANTISED_DEPTHS;
        out[j] = x->scale[s] * x->q[s][j % QUANTISED_DEPTHS];
    }
}

static int32_t sum_of(const int8_t *a, const int8_t *b)
{
    int32_t sum = 0;
    for (size_t i = 0; i < QUANTISED_DEPTHS; i++)
        sum += a[i] * b[i];
    return sum;
}

float quantised_product(float begin, const struct quantised *x,
                        const struct quantised *w)
{
    for (size_t s = 0; s < x->segments; s++)
        begin = fmaf((float)sum_of(x->q[s], w->q[s]) * x->scale[s], w->scale[s],
                     begin);
    return begin;
}

/* Σ (s·q)² of a segment. */
static double squares(const struct quantised *x, size_t s)
{
    double scale = (double)x->scale[s];
    return scale * scale * sum_of(x->q[s], x->q[s]);
}

double quantised_margin(const struct quantised *x, const struct quantised *w,
                        size_t n)
{
    double sum = 0;
    for (size_t s = 0; s < x->segments; s++) {
        double most = 0, step = 0, scale = (double)x->scale[s];
        for (size_t i = 0; i < n; i++) {
            most = fmax(most, squares(&w[i], s));
            step =
                fmax(step, fmax(36.0 / 12, w[i].lost[s]) *
                               (double)w[i].scale[s] * (double)w[i].scale[s]);
        }
        sum += fmax(36.0 / 12, x->lost[s]) * scale * scale * most +
               step * squares(x, s);
    }
    return sqrt(sum);
}
