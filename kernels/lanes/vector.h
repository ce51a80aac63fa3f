/* SPDX-License-Identifier: MIT
 *
 * Template: rows of the table under "rows" and "few rows out of many", for the
 * registers of the lanes.h that is included before. Gives a static function for
 * each.
 */
#ifndef KERNELS_LANES_VECTOR_H
#define KERNELS_LANES_VECTOR_H

#include "kernels/kernels.h"

/* ---- sums ---- */

enum {
    CACHE_LINE = 64,
    AHEAD = 4 /* rows to ask for before they are needed: a row of some hundred
                 numbers takes less time than memory does to answer */
};

/* a·b, asking for the row that comes next on the way. Four sums hide the
 * latency of the multiply-add. */
static inline float dot_then(const float *a, const float *b, size_t n,
                             const float *next)
{
    lanes s0 = lanes_zero(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        for (size_t at = 0; at < 4 * LANES; at += CACHE_LINE / sizeof *next)
            lanes_prefetch(next + i + at);
        s0 = lanes_fma(lanes_load(a + i), lanes_load(b + i), s0);
        s1 =
            lanes_fma(lanes_load(a + i + LANES), lanes_load(b + i + LANES), s1);
        s2 = lanes_fma(lanes_load(a + i + 2 * LANES),
                       lanes_load(b + i + 2 * LANES), s2);
        s3 = lanes_fma(lanes_load(a + i + 3 * LANES),
                       lanes_load(b + i + 3 * LANES), s3);
    }
    for (; i + LANES <= n; i += LANES)
        s0 = lanes_fma(lanes_load(a + i), lanes_load(b + i), s0);
    if (i < n)
        s1 = lanes_fma(lanes_load_first(a + i, n - i),
                       lanes_load_first(b + i, n - i), s1);
    return lanes_sum(lanes_add(lanes_add(s0, s1), lanes_add(s2, s3)));
}

static float dot(const float *a, const float *b, size_t n)
{
    return dot_then(a, b, n, b);
}

static double dot_double(const float *a, const float *b, size_t n)
{
    doubles low = doubles_zero(), high = low;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        lanes x = lanes_load(a + i), y = lanes_load(b + i);
        low = doubles_fma(doubles_low(x), doubles_low(y), low);
        high = doubles_fma(doubles_high(x), doubles_high(y), high);
    }
    if (i < n) {
        lanes x = lanes_load_first(a + i, n - i);
        lanes y = lanes_load_first(b + i, n - i);
        low = doubles_fma(doubles_low(x), doubles_low(y), low);
        high = doubles_fma(doubles_high(x), doubles_high(y), high);
    }
    return doubles_sum(doubles_add(low, high));
}

/* ---- element by element ---- */

static void add_scaled(float *y, float a, const float *x, size_t n)
{
    const lanes factor = lanes_set(a);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        lanes_store(y + i,
                    lanes_fma(factor, lanes_load(x + i), lanes_load(y + i)));
    if (i < n)
        lanes_store_first(y + i,
                          lanes_fma(factor, lanes_load_first(x + i, n - i),
                                    lanes_load_first(y + i, n - i)),
                          n - i);
}

static void subtract(float *out, const float *x, const float *b, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        lanes_store(out + i, lanes_sub(lanes_load(x + i), lanes_load(b + i)));
    if (i < n)
        lanes_store_first(out + i,
                          lanes_sub(lanes_load_first(x + i, n - i),
                                    lanes_load_first(b + i, n - i)),
                          n - i);
}

static void scale(float *x, float a, size_t n)
{
    const lanes factor = lanes_set(a);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        lanes_store(x + i, lanes_mul(lanes_load(x + i), factor));
    if (i < n)
        lanes_store_first(
            x + i, lanes_mul(lanes_load_first(x + i, n - i), factor), n - i);
}

/* ---- few rows out of many ---- */

/* Four rows at once: y is loaded and stored once for all, and four more are on
 * their way from memory meanwhile. */
static inline void add_four(float *y, const float *const row[4],
                            const float *const next[4], const float *value,
                            size_t d)
{
    const lanes v0 = lanes_set(value[0]), v1 = lanes_set(value[1]);
    const lanes v2 = lanes_set(value[2]), v3 = lanes_set(value[3]);
    size_t i = 0;
    for (; i + LANES <= d; i += LANES) {
        for (int r = 0; r < 4; r++)
            lanes_prefetch(next[r] + i);
        lanes sum = lanes_fma(v0, lanes_load(row[0] + i), lanes_load(y + i));
        sum = lanes_fma(v1, lanes_load(row[1] + i), sum);
        sum = lanes_fma(v2, lanes_load(row[2] + i), sum);
        lanes_store(y + i, lanes_fma(v3, lanes_load(row[3] + i), sum));
    }
    if (i < d) {
        size_t n = d - i;
        lanes sum = lanes_fma(v0, lanes_load_first(row[0] + i, n),
                              lanes_load_first(y + i, n));
        sum = lanes_fma(v1, lanes_load_first(row[1] + i, n), sum);
        sum = lanes_fma(v2, lanes_load_first(row[2] + i, n), sum);
        sum = lanes_fma(v3, lanes_load_first(row[3] + i, n), sum);
        lanes_store_first(y + i, sum, n);
    }
}

static void add_rows(float *y, const float *w, const uint32_t *index,
                     const float *value, size_t count, size_t d)
{
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        const float *row[4], *next[4];
        for (size_t r = 0; r < 4; r++) {
            row[r] = w + index[i + r] * d;
            next[r] = i + r + 4 < count ? w + index[i + r + 4] * d : row[r];
        }
        add_four(y, row, next, value + i, d);
    }
    for (; i < count; i++)
        add_scaled(y, value[i], w + index[i] * d, d);
}

static void dot_rows(float *out, const float *x, const float *w,
                     const uint32_t *index, size_t count, size_t d)
{
    for (size_t i = 0; i < count; i++) {
        const float *row = w + index[i] * d;
        const float *next = i + AHEAD < count ? w + index[i + AHEAD] * d : row;
        out[i] = dot_then(x, row, d, next);
    }
}

static void dot_heads(float *out, const float *z, const float *w, size_t heads,
                      size_t d_head)
{
    for (size_t h = 0; h < heads; h++)
        out[h] = dot(z + h * d_head, w + h * d_head, d_head);
}

static inline void fill_vector(struct kernels *k)
{
    k->dot = dot;
    k->dot_double = dot_double;
    k->add_scaled = add_scaled;
    k->subtract = subtract;
    k->scale = scale;
    k->add_rows = add_rows;
    k->dot_rows = dot_rows;
    k->dot_heads = dot_heads;
}

#endif
