/* SPDX-License-Identifier: MIT */
#include "train/threshold.h"

#include <math.h>

size_t threshold_activate(const float *theta, const struct entries *row)
{
    size_t active = 0;
    for (size_t j = 0; j < row->count; j++) {
        float h = row->f[j];
        bool is_active = h > theta[row->feature[j]] && h > 0;
        row->h[j] = h;
        row->f[j] = is_active ? h : 0;
        active += is_active;
    }
    return active;
}

double threshold_gradient(const struct threshold *t, const struct entries *row)
{
    double sum = 0, n = (double)t->n;
    float level = (float)(t->slope_l0 / n), pull = (float)(t->pull / n);
    for (size_t j = 0; j < row->count; j++) {
        size_t i = row->feature[j];
        float theta = t->theta[i], f = row->f[j], g = row->g[j];
        g += (float)(penalty_slope(&t->penalty, (double)f) / n);
        if (f > 0)
            sum += penalty_value(&t->penalty, (double)f);
        bool inside = fabsf(row->h[j] - theta) < t->bandwidth / 2;
        row->side[j] = inside ? -(theta * g + level) / t->bandwidth : 0;
        row->g[j] = f > 0 ? g : 0;
        if (f > 0 && threshold_pulls(t, i))
            row->g[j] += pull; /* takes back what all rows give */
    }
    return sum;
}
