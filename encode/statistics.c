/* SPDX-License-Identifier: MIT */
#include "encode/statistics.h"

#include <math.h>

int statistics_position_bin(uint32_t position)
{
    return position == 0 ? 0 : 32 - __builtin_clz(position);
}

int statistics_init(struct statistics *st, size_t m, int heads, size_t bins,
                    size_t groups, struct err *e)
{
    *st = (struct statistics){
        .m = m, .heads = heads, .bins = bins, .groups = groups};
    static const char what[] = "feature statistics";
    struct arena *a = &st->arena;
    int code = arena_get(a, &st->fires, m, sizeof *st->fires, what, e);
    if (code == 0)
        code = arena_get(a, &st->sampled, m, sizeof *st->sampled, what, e);
    if (code == 0)
        code = arena_get(a, &st->sum, m, sizeof *st->sum, what, e);
    if (code == 0)
        code = arena_get(a, &st->max, m, sizeof *st->max, what, e);
    if (code == 0)
        code = arena_get(a, &st->head_sum, m * (size_t)heads,
                         sizeof *st->head_sum, what, e);
    if (code == 0)
        code = arena_get(a, &st->position_fires, m * bins,
                         sizeof *st->position_fires, what, e);
    if (code == 0)
        code = arena_get(a, &st->group_fires, m * groups,
                         sizeof *st->group_fires, what, e);
    if (code != 0)
        statistics_free(st);
    return code;
}

void statistics_free(struct statistics *st)
{
    arena_free(&st->arena);
    *st = (struct statistics){0};
}

void statistics_add(struct statistics *st, size_t feature, float value,
                    const struct statistics_place *place, const float *dfa)
{
    size_t bin = (size_t)statistics_position_bin(place->position);
    st->fires[feature]++;
    st->sampled[feature] += place->sampled;
    st->position_fires[feature * st->bins + bin]++;
    if (place->group >= 0)
        st->group_fires[feature * st->groups + (size_t)place->group]++;
    st->sum[feature] += (double)value;
    if (value > st->max[feature])
        st->max[feature] = value;
    double *head_sum = st->head_sum + feature * (size_t)st->heads;
    for (int h = 0; h < st->heads; h++)
        if (dfa[h] > 0)
            head_sum[h] += (double)dfa[h];
}

double statistics_entropy(double n, double weighted)
{
    return fmax(log2(n) - weighted / n, 0);
}

/* Divides by the sum; NaN if that is 0. */
static void normalise(double *shares, int heads)
{
    double sum = 0;
    for (int h = 0; h < heads; h++)
        sum += shares[h];
    for (int h = 0; h < heads; h++)
        shares[h] = sum > 0 ? shares[h] / sum : (double)NAN;
}

int statistics_data_shares(const struct statistics *st, size_t feature,
                           double *shares)
{
    const double *head_sum = st->head_sum + feature * (size_t)st->heads;
    int top = -1;
    for (int h = 0; h < st->heads; h++) {
        shares[h] = head_sum[h];
        if (head_sum[h] > 0 && (top < 0 || head_sum[h] > head_sum[top]))
            top = h;
    }
    normalise(shares, st->heads);
    return top;
}

void statistics_weight_shares(const float *row, size_t d, int heads,
                              double *shares)
{
    size_t d_head = d / (size_t)heads;
    for (int h = 0; h < heads; h++) {
        double square = 0;
        for (size_t i = 0; i < d_head; i++, row++)
            square += (double)*row * (double)*row;
        shares[h] = sqrt(square);
    }
    normalise(shares, heads);
}
