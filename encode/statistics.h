/* SPDX-License-Identifier: MIT
 *
 * Sums per feature over all tokens, in double, in token order. Features may be
 * fed from different threads, each feature from one.
 */
#ifndef ENCODE_STATISTICS_H
#define ENCODE_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/* Positions fall into bins that double: 0, 1, 2 to 3, 4 to 7, ... */
int statistics_position_bin(uint32_t position);

struct statistics {
    size_t m;
    int heads;
    size_t bins, groups;      /* position bins; groups of contexts, maybe 0 */
    uint64_t *fires;          /* (m) tokens at which the feature is active */
    uint64_t *sampled;        /* (m) of them, those in the sample */
    double *sum;              /* (m) of activations */
    float *max;               /* (m) */
    double *head_sum;         /* (m, heads) of max(DFA, 0) over active tokens */
    uint32_t *position_fires; /* (m, bins) active tokens at such positions */
    uint32_t *group_fires;    /* (m, groups) in contexts of a group */
    struct arena arena;
};

int statistics_init(struct statistics *st, size_t m, int heads, size_t bins,
                    size_t groups, struct err *e);
void statistics_free(struct statistics *st);

/* Where an activation is. */
struct statistics_place {
    uint32_t position; /* in its context; its bin is below st->bins */
    int32_t group;     /* of its context; -1: none */
    bool sampled;
};

/* One activation (> 0) with its DFA by head. */
void statistics_add(struct statistics *st, size_t feature, float value,
                    const struct statistics_place *place, const float *dfa);

/* H = −Σ p log2 p in bits, of counts c that sum to n > 0, p = c/n, where
 * weighted = Σ c log2 c: log2 n − weighted/n. Of one count it is 0, not what is
 * left by rounding. */
double statistics_entropy(double n, double weighted);

/* shares[h] = head_sum / Σ head_sum of a feature. Returns the head with the
 * largest, the first of equals, or -1 if the sum is 0: then shares are NaN. */
int statistics_data_shares(const struct statistics *st, size_t feature,
                           double *shares);

/* shares[h] = ‖row's part of head h‖ / Σ over heads; NaN for a zero row.
 * row (d), a feature's decoder direction. */
void statistics_weight_shares(const float *row, size_t d, int heads,
                              double *shares);

#endif
