/* SPDX-License-Identifier: MIT
 *
 * What the encoder product leaves of a block of rows: the pre-activations that
 * a rule lets through, with their row and feature. Hits have one total order
 * wherever they are ranked: larger value first, then lower row, then lower
 * feature. So ties fall the same way in every tier and for any number of
 * threads.
 */
#ifndef KERNELS_HITS_H
#define KERNELS_HITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/team.h"

struct hit {
    float value;
    uint32_t row, feature;
};

/* A growing list; zero it to begin. */
struct hits {
    struct hit *item;
    size_t n, capacity;
};

/* Room for `more` hits behind the n there are, and item not NULL; false
 * without memory. */
bool hits_reserve(struct hits *h, size_t more);
void hits_free(struct hits *h);

/* Whether a ranks before b. */
bool hit_before(const struct hit *a, const struct hit *b);

/* Reorders so that item[0..k) are the k first in rank, in no order among
 * themselves, and item[k - 1] is the last of them. 1 <= k <= n. Expected cost
 * O(n). */
void hits_select(struct hit *item, size_t n, size_t k);

/* Memory of hits_kth; zero it to begin. */
struct ranking {
    float *value; /* [2·capacity] */
    size_t capacity;
};
void ranking_free(struct ranking *r);

/* The k-th largest value of item[0..n), 1 <= k <= n. False without memory.
 * Expected cost O(n), a fraction of hits_select's: no branch depends on a
 * value. */
bool hits_kth(float *kth, const struct hit *item, size_t n, size_t k,
              struct ranking *r);

/* The want-th largest value of all hits of n_lists lists, 1 <= want <= how
 * many there are; values below zero count as zero. *ties is how many of those
 * equal to it belong to the want largest. Cost: three passes. */
float hits_cut(const struct hits *lists, size_t n_lists, size_t want,
               size_t *ties, const struct team *team);

#endif
