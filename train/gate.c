/* SPDX-License-Identifier: MIT */
#include "train/gate.h"

#include <math.h>

#include "kernels/kernels.h"

void gate_gains(float *gain, const struct parameters *p)
{
    for (size_t i = 0; i < p->m; i++)
        gain[i] = expf(p->r_mag.w[i]);
}

size_t gate_activate(const struct gate *t, const struct entries *row)
{
    size_t active = 0;
    const float *b_gate = t->p->b_enc.w, *b_mag = t->p->b_mag.w;
    for (size_t j = 0; j < row->count; j++) {
        size_t i = row->feature[j];
        float pi = row->f[j], mu = t->gain[i] * (pi - b_gate[i]) + b_mag[i];
        row->h[j] = pi;
        row->f[j] = mu > 0 ? mu : 0;
        active += mu > 0;
    }
    return active;
}

double gate_explain(const struct gate *t, const struct entries *row,
                    const float *centred, float *scratch)
{
    size_t d = t->p->d, count = row->count;
    const float *w_dec = t->p->w_dec.w;
    for (size_t j = 0; j < d; j++)
        scratch[j] = -centred[j];
    kernels.add_rows(scratch, w_dec, row->feature, row->h, count, d);
    double square = kernels.dot_double(scratch, scratch, d);
    kernels.scale(scratch, 2.0f / (float)t->n, d);
    kernels.dot_rows(row->side, scratch, w_dec, row->feature, count, d);
    return square;
}

double gate_gradient(const struct gate *t, const struct entries *row)
{
    double sum = 0, n = (double)t->n;
    for (size_t j = 0; j < row->count; j++) {
        double pi = (double)row->h[j];
        float by_gate =
            row->side[j] + (float)(penalty_slope(&t->penalty, pi) / n);
        float by_magnitude = row->f[j] > 0 ? row->g[j] : 0;
        sum += penalty_value(&t->penalty, pi);
        row->g[j] = t->gain[row->feature[j]] * by_magnitude + by_gate;
        row->side[j] = by_magnitude;
    }
    return sum;
}
