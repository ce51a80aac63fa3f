/* SPDX-License-Identifier: MIT
 *
 * bf16 operands lie in pairs of neighbouring depths, which TDPBF16PS takes
 * together: 32 bits for one row or feature.
 */
#ifndef KERNELS_AMX_PAIRS_H
#define KERNELS_AMX_PAIRS_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/avx512/lanes.h"
#include "kernels/avx512/transpose.h"
#include "kernels/avx512bf16/narrow.h"

enum {
    PAIRS_FEATURES = 32, /* of a panel */
    PAIRS_DEPTHS = 32,   /* packed at a time: sixteen pairs */
};

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
    __m512i both = _mm512_castsi256_si512(narrow(low));
    return _mm512_castsi512_ps(_mm512_inserti64x4(both, narrow(high), 1));
}

/* panel (depth/2, features, 2): n rows of w as struct product has it, depth
 * padded to a multiple of PAIRS_DEPTHS. */
static inline void pairs_pack_features(void *panel, const float *w,
                                       const uint32_t *index, size_t n,
                                       size_t d)
{
    float *out = panel; /* a pair in each */
    for (size_t first = 0; first < PAIRS_FEATURES; first += LANES)
        for (size_t j = 0; j < d; j += PAIRS_DEPTHS) {
            __m512 v[LANES];
            for (size_t i = 0; i < LANES; i++)
                v[i] = first + i < n
                           ? pairs_load(w + index[first + i] * d, j, d)
                           : lanes_zero();
            transpose(v);
            for (size_t i = 0; i < LANES; i++)
                lanes_store(out + (j / 2 + i) * PAIRS_FEATURES + first, v[i]);
        }
}

/* ---- rounding ---- */

/* Fourth powers, summed in double lane by lane. */
struct fourths {
    doubles low, high;
};

static inline doubles add_fourth(doubles sum, doubles x)
{
    doubles square = doubles_mul(x, x);
    return doubles_fma(square, square, sum);
}

/* Adds those of sixteen pairs. */
static inline struct fourths pairs_fourths(struct fourths sum, __m512i pairs)
{
    const __m512i half = _mm512_set1_epi32((int)0xffff0000);
    lanes even = _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
    lanes odd = _mm512_castsi512_ps(_mm512_and_si512(pairs, half));
    sum.low = add_fourth(sum.low, doubles_low(even));
    sum.high = add_fourth(sum.high, doubles_high(even));
    sum.low = add_fourth(sum.low, doubles_low(odd));
    sum.high = add_fourth(sum.high, doubles_high(odd));
    return sum;
}

#endif
