/* SPDX-License-Identifier: MIT
 *
 * How each feature's activations are distributed, finely enough to divide them
 * into intervals that hold equally many: a histogram per feature whose bins are
 * powers of two wide. When a larger value comes, the width doubles and bins
 * join in pairs, which is exact; so the result depends neither on the order of
 * the values nor on a maximum known beforehand.
 *
 * Features may be fed from different threads, each feature from one.
 */
#ifndef ENCODE_QUANTILES_H
#define ENCODE_QUANTILES_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/* Half of them at least lie below the maximum: the divisions are as fine as
 * levels (levels.h). 2 KB a feature. */
enum { QUANTILES_BINS = 512 };

struct quantiles {
    size_t m;
    int *exponent;   /* (m) bin j is (j, j + 1]·2^exponent / QUANTILES_BINS */
    uint32_t *count; /* (m, QUANTILES_BINS) */
    struct arena arena;
};

int quantiles_init(struct quantiles *q, size_t m, struct err *e);
void quantiles_free(struct quantiles *q);

/* value > 0 */
void quantiles_add(struct quantiles *q, size_t feature, float value);

/* edges[0..n]: from 0 to `max`, such that as near as bins allow a share i / n
 * of the feature's values is at most edges[i]. Never falling; equal where one
 * bin holds more than its share. */
void quantiles_edges(const struct quantiles *q, size_t feature, float max,
                     double *edges, int n);

#endif
