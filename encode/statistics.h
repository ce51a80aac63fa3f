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

struct statistics {
    size_t m;
    int heads;
    uint64_t *fires;   /* (m) tokens at which the feature is active */
    uint64_t *sampled; /* (m) of them, those in the sample */
    double *sum;       /* (m) of activations */
    float *max;        /* (m) */
    double *head_sum;  /* (m, heads) of max(DFA, 0) over active tokens */
    struct arena arena;
};

int statistics_init(struct statistics *st, size_t m, int heads, struct err *e);
void statistics_free(struct statistics *st);

/* One activation (> 0) with its DFA by head. */
void statistics_add(struct statistics *st, size_t feature, float value,
                    bool sampled, const float *dfa);

/* shares[h] = head_sum / Σ head_sum of a feature. Returns the head with the
 * largest, the first of equals, or -1 if the sum is 0: then shares are NaN. */
int statistics_data_shares(const struct statistics *st, size_t feature,
                           double *shares);

/* shares[h] = ‖row's part of head h‖ / Σ over heads; NaN for a zero row.
 * row (d), a feature's decoder direction. */
void statistics_weight_shares(const float *row, size_t d, int heads,
                              double *shares);

#endif
