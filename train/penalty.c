/* SPDX-License-Identifier: MIT */
#include "train/penalty.h"

#include <math.h>

static const double delta = 1e-3, tanh_scale = 4;

double penalty_value(const struct penalty *q, double u)
{
    switch (q->kind) {
    case PENALTY_LP:
        return q->p == 1 ? u : pow(u + delta, q->p) - pow(delta, q->p);
    case PENALTY_TANH:
        return tanh(tanh_scale * u);
    case PENALTY_L0:
    case PENALTY_TARGET:
        return 1;
    case PENALTY_NONE:
        break;
    }
    return 0;
}

double penalty_slope(const struct penalty *q, double u)
{
    if (q->kind == PENALTY_LP)
        return q->p == 1 ? q->weight
                         : q->weight * q->p * pow(u + delta, q->p - 1);
    if (q->kind != PENALTY_TANH)
        return 0;
    double t = tanh(tanh_scale * u);
    return q->weight * tanh_scale * (1 - t * t);
}

double penalty_loss(const struct penalty *q, double sum, size_t n)
{
    double mean = sum / (double)n;
    if (q->kind != PENALTY_TARGET)
        return q->weight * mean;
    double over = mean / q->target - 1;
    return q->weight * over * over;
}

double penalty_slope_l0(const struct penalty *q, double active, size_t n)
{
    if (q->kind == PENALTY_L0)
        return q->weight;
    if (q->kind != PENALTY_TARGET)
        return 0;
    double over = active / (double)n / q->target - 1;
    return q->weight * 2 * over / q->target;
}
