/* SPDX-License-Identifier: MIT
 *
 * bf16 operands lie in pairs of neighbouring depths, which the multiply-adds of
 * both AVX512_BF16 and AMX take together: 32 bits for one row or feature. This
 * packs panels of features for both.
 */
#ifndef KERNELS_AVX512BF16_PAIRS_H
#define KERNELS_AVX512BF16_PAIRS_H

#include <immintrin.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/avx512/lanes.h"
#include "kernels/avx512/transpose.h"
#include "kernels/kernels.h"

enum {
    PAIRS_FEATURES = 32, /* of a panel */
    PAIRS_DEPTHS = 32    /* packed at a time: sixteen pairs */
};

static inline __m256i pairs_narrow(__m512 v)
{
    __m256bh half = _mm512_cvtneps_pbh(v);
    __m256i out;
    memcpy(&out, &half, sizeof out);
    return out;
}

/* Depths [j, j + 32) of a row of length d as sixteen pairs; zero from d on. */
static inline __m512 pairs_load(const float *row, size_t j, size_t d)
{
    size_t left = d - j;
    __m512 low, high = _mm512_setzero_ps();
    low = left >= LANES ? lanes_load(row + j) : lanes_load_first(row + j, left);
    if (left >= 2 * LANES)
        high = lanes_load(row + j + LANES);
    else if (left > LANES)
        high = lanes_load_first(row + j + LANES, left - LANES);
    __m512i both = _mm512_castsi256_si512(pairs_narrow(low));
    return _mm512_castsi512_ps(_mm512_inserti64x4(both, pairs_narrow(high), 1));
}

/* panel (depth/2, features, 2): n rows of w as struct product has it, depth
 * padded to a multiple of step, which divides PAIRS_DEPTHS. */
static inline void pairs_pack_features(void *panel, const float *w,
                                       const uint32_t *index, size_t n,
                                       size_t d, size_t step)
{
    float *out = panel; /* a pair in each */
    size_t pairs = (d + step - 1) / step * step / 2;
    for (size_t first = 0; first < PAIRS_FEATURES; first += LANES)
        for (size_t j = 0; j < d; j += PAIRS_DEPTHS) {
            __m512 v[LANES];
            for (size_t i = 0; i < LANES; i++)
                v[i] = first + i < n
                           ? pairs_load(w + index[first + i] * d, j, d)
                           : lanes_zero();
            transpose(v);
            for (size_t i = 0; i < LANES && j / 2 + i < pairs; i++)
                lanes_store(out + (j / 2 + i) * PAIRS_FEATURES + first, v[i]);
        }
}

/* ---- rounding: a feature's one term is Σw⁴ ---- */

static inline size_t pairs_terms(size_t d)
{
    (void)d;
    return 1;
}

/* Σ x⁴ in double. */
static inline double pairs_fourth(const float *x, size_t d)
{
    doubles sum = doubles_zero();
    for (size_t j = 0; j < d; j += LANES) {
        lanes v =
            d - j < LANES ? lanes_load_first(x + j, d - j) : lanes_load(x + j);
        doubles low = doubles_low(v), high = doubles_high(v);
        low = doubles_mul(low, low);
        high = doubles_mul(high, high);
        sum = doubles_fma(low, low, doubles_fma(high, high, sum));
    }
    return doubles_sum(sum);
}

static inline void pairs_raise(double *terms, const float *w, size_t d)
{
    double fourth = pairs_fourth(w, d);
    terms[0] = fourth > terms[0] ? fourth : terms[0];
}

static inline double pairs_margin(const float *x, size_t d, const double *terms)
{
    return 6 * 0x1p-9 * sqrt(sqrt(pairs_fourth(x, d)) * sqrt(terms[0]));
}

#endif
