/* SPDX-License-Identifier: MIT */
#include "train/schedule.h"

#include <math.h>

/* Of a warm-up that began `done` steps ago. */
static double warmed(const struct train_config *c, uint64_t done)
{
    static const double pi = 3.14159265358979323846;
    if (done >= c->warmup)
        return 1;
    double share = (double)done / (double)c->warmup;
    if (c->warmup_cosine)
        share = (1 - cos(pi * share)) / 2;
    return c->warmup_floor + (1 - c->warmup_floor) * share;
}

double train_rate_at(const struct train_config *c, uint64_t t)
{
    uint64_t last = resample_last(&c->resampling, t);
    double rate = c->rate * warmed(c, t - last);
    if (t > c->decay_from)
        rate *=
            (double)(c->steps - t + 1) / (double)(c->steps - c->decay_from + 1);
    return rate;
}

size_t train_k_at(const struct train_config *c, uint64_t t)
{
    size_t most = 4 * c->k < c->m / 8 ? 4 * c->k : c->m / 8;
    if (t > c->anneal_until || most <= c->k)
        return c->k;
    double done = (double)(t - 1) / (double)c->anneal_until;
    return c->k + (size_t)((1 - done) * (double)(most - c->k));
}

void train_extend(struct train_config *c, uint64_t from, uint64_t steps)
{
    c->steps = steps;
    c->decay_from = steps - (uint64_t)((double)(steps - from) * c->decay);
    c->anneal_until = c->anneal_until < from ? c->anneal_until : from;
}
