/* SPDX-License-Identifier: MIT
 *
 * Floats as bytes: a row or feature is cut into segments, and a number x of a
 * segment becomes q = x / s to the nearest, where s, the segment's scale, is a
 * 127th of its largest magnitude. So an outlier coarsens no more than its own
 * segment.
 *
 * A segment whose largest is below 2^-119 becomes zeros of scale 0: from there
 * on s and 1 / s are normal numbers. The scale of one that is not finite is a
 * NaN, and so is all that it is multiplied by.
 */
#ifndef KERNELS_AVX512VNNI_SEGMENT_H
#define KERNELS_AVX512VNNI_SEGMENT_H

#include <immintrin.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/avx512/lanes.h"

enum {
    SEGMENT = 128, /* depths */
    LEVELS = 127,  /* of a sign */
    QUADS = LANES, /* of four depths, in a register */
    QUAD_DEPTHS = 4 * QUADS,
};

struct scale {
    float size;    /* of 1 */
    float inverse; /* 0 where all numbers become zero */
};

/* Depths [j, j + LANES) of a row of length d; zero from d on. */
static inline lanes segment_load(const float *row, size_t j, size_t d)
{
    if (j + LANES <= d)
        return lanes_load(row + j);
    return j < d ? lanes_load_first(row + j, d - j) : lanes_zero();
}

/* Of the segment that begins at depth j. Magnitudes are compared as integers,
 * in which order infinities and NaNs are the largest. */
static inline struct scale segment_scale(const float *row, size_t j, size_t d)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    __m512i largest = _mm512_setzero_si512();
    for (size_t i = j; i < j + SEGMENT && i < d; i += LANES) {
        __m512i bits = _mm512_castps_si512(segment_load(row, i, d));
        largest = _mm512_max_epu32(largest, _mm512_and_si512(bits, magnitude));
    }
    float most = _mm512_cvtss_f32(_mm512_castsi512_ps(
        _mm512_set1_epi32((int)_mm512_reduce_max_epu32(largest))));
    if (!isfinite(most))
        return (struct scale){NAN, 0};
    if (most < 0x1p-119f)
        return (struct scale){0, 0};
    return (struct scale){most / LEVELS, LEVELS / most};
}

/* Depths [j, j + QUAD_DEPTHS) as signed bytes. */
static inline __m512i segment_bytes(const float *row, size_t j, size_t d,
                                    float inverse)
{
    __m128i part[4];
    for (size_t i = 0; i < 4; i++) {
        lanes x = segment_load(row, j + i * LANES, d);
        part[i] = _mm512_cvtsepi32_epi8(
            _mm512_cvtps_epi32(lanes_mul(x, lanes_set(inverse))));
    }
    __m512i bytes = _mm512_castsi128_si512(part[0]);
    bytes = _mm512_inserti32x4(bytes, part[1], 1);
    bytes = _mm512_inserti32x4(bytes, part[2], 2);
    return _mm512_inserti32x4(bytes, part[3], 3);
}

#endif
