/* SPDX-License-Identifier: MIT */
#include "encode/quantiles.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>

enum { BINS_LOG2 = 9 };
_Static_assert(QUANTILES_BINS == 1 << BINS_LOG2, "bins are powers of two wide");

int quantiles_init(struct quantiles *q, size_t m, struct err *e)
{
    *q = (struct quantiles){.m = m};
    static const char what[] = "distributions of activations";
    int code =
        arena_get(&q->arena, &q->exponent, m, sizeof *q->exponent, what, e);
    if (code == 0)
        code = arena_get(&q->arena, &q->count, m * QUANTILES_BINS,
                         sizeof *q->count, what, e);
    if (code != 0) {
        quantiles_free(q);
        return code;
    }
    for (size_t f = 0; f < m; f++)
        q->exponent[f] = INT_MIN / 2; /* below that of any value */
    return 0;
}

void quantiles_free(struct quantiles *q)
{
    arena_free(&q->arena);
    *q = (struct quantiles){0};
}

/* Makes bins 2^doublings times as wide. */
static void widen(uint32_t *count, int doublings)
{
    int shift = doublings < BINS_LOG2 ? doublings : BINS_LOG2;
    for (int j = 0; j < QUANTILES_BINS; j++) {
        uint32_t n = count[j];
        count[j] = 0;
        count[j >> shift] += n;
    }
}

void quantiles_add(struct quantiles *q, size_t feature, float value)
{
    uint32_t *count = q->count + feature * QUANTILES_BINS;
    int exponent;
    (void)frexpf(value, &exponent); /* value < 2^exponent */
    if (exponent > q->exponent[feature]) {
        widen(count, exponent - q->exponent[feature]);
        q->exponent[feature] = exponent;
    }
    double at = ceil(ldexp((double)value, BINS_LOG2 - q->exponent[feature]));
    count[at < QUANTILES_BINS ? (int)at - 1 : QUANTILES_BINS - 1]++;
}

void quantiles_edges(const struct quantiles *q, size_t feature, float max,
                     double *edges, int n)
{
    const uint32_t *count = q->count + feature * QUANTILES_BINS;
    uint64_t total = 0, below = 0; /* values; those in bins before bin j */
    for (int j = 0; j < QUANTILES_BINS; j++)
        total += count[j];
    edges[0] = 0;
    edges[n] = (double)max;
    for (int i = 1, j = 0; i < n; i++) {
        uint64_t share = total * (uint64_t)i; /* times n, to stay whole */
        for (; j < QUANTILES_BINS && (below + count[j]) * (uint64_t)n <= share;
             j++)
            below += count[j];
        /* Up to bin j - 1 are too few, or just enough; with bin j too many. */
        bool with =
            j < QUANTILES_BINS && (below + count[j]) * (uint64_t)n - share <
                                      share - below * (uint64_t)n;
        edges[i] = fmin(ldexp(j + with, q->exponent[feature] - BINS_LOG2),
                        (double)max);
    }
}
