/* SPDX-License-Identifier: MIT
 *
 * The encoder product with selection fused: pre-activations h = x·W_encᵀ + b
 * are made tile by tile and compared while they are in cache; the (n, m)
 * matrix is never written. x comes centred (b_dec subtracted) if the SAE wants
 * it so.
 *
 * A block is at most ENCODER_ROWS rows and one thread's work; tiles are the
 * same for every number of threads, and so is the result. A pre-activation
 * that is NaN passes no rule.
 */
#ifndef KERNELS_ENCODER_H
#define KERNELS_ENCODER_H

#include "kernels/hits.h"

/* 128 × 512 floats are 256 KB: a tile stays in the L2 cache of one core while
 * it is compared. */
enum { ENCODER_ROWS = 128, ENCODER_FEATURES = 512 };

struct encoder {
    const float *w; /* (m, d) */
    const float *b; /* (m) */
    size_t d, m;
};

/* Per-thread scratch; zero it to begin. It grows with the k asked for. */
struct encoder_scratch {
    float *tile;      /* (ENCODER_ROWS, ENCODER_FEATURES) */
    struct hit *best; /* (ENCODER_ROWS, best_capacity) */
    size_t best_capacity;
    struct hits sorted;
};
void encoder_scratch_free(struct encoder_scratch *s);

/* Appends to *out the hits of rows x (n, d), n <= ENCODER_ROWS, ordered by row
 * and then feature; their row numbers begin with first_row.
 *
 * encoder_above: all h > floor, and h > bound[feature] where bound (m) is not
 * NULL. encoder_largest: the k first in rank of each row among h > 0.
 *
 * Return false without memory. Cost: 2·n·d·m flop. */
bool encoder_above(const struct encoder *enc, struct hits *out, const float *x,
                   size_t n, uint32_t first_row, const float *bound,
                   float floor, struct encoder_scratch *s);
bool encoder_largest(const struct encoder *enc, struct hits *out,
                     const float *x, size_t n, uint32_t first_row, size_t k,
                     struct encoder_scratch *s);

#endif
