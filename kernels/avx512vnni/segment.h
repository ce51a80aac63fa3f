/* SPDX-License-Identifier: MIT
 *
 * Floats as bytes: a row or feature is cut into segments, and a number x of a
 * segment becomes q = x / s to the nearest, where s, the segment's scale, is a
 * 127th of its largest magnitude. So an outlier coarsens no more than its own
 * segment. Shorter segments take longer to multiply, as each of them ends in a
 * conversion (64 depths: 12 % slower than 128), and longer ones need wider
 * margins (256: 4 % faster, and 20 % more candidates where each row has one
 * number that is 30 times the others).
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

/* Depths [j, j + LANES) of a row of length d; zero from d on. */
static inline lanes segment_load(const float *row, size_t j, size_t d)
{
    if (j + LANES <= d)
        return lanes_load(row + j);
    return j < d ? lanes_load_first(row + j, d - j) : lanes_zero();
}

/* Of the segment that begins at depth j, the largest magnitude in each lane;
 * the largest of these is the segment's. Compared as integers, so that
 * infinities and NaNs are the largest. */
static inline __m512i segment_largest(const float *row, size_t j, size_t d)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    __m512i largest = _mm512_setzero_si512();
    for (size_t i = j; i < j + SEGMENT && i < d; i += LANES) {
        __m512i bits = _mm512_castps_si512(segment_load(row, i, d));
        largest = _mm512_max_epu32(largest, _mm512_and_si512(bits, magnitude));
    }
    return largest;
}

/* Of LANES segments. */
struct scales {
    lanes size;    /* of 1 */
    lanes inverse; /* 0 where all numbers become zero */
};

/* From each segment's largest magnitude. */
static inline struct scales segment_scales(__m512i largest)
{
    lanes most = _mm512_castsi512_ps(largest), levels = lanes_set(LEVELS);
    uint32_t finite = lanes_above(lanes_set(INFINITY), most);
    uint32_t some = finite & ~lanes_above(lanes_set(0x1p-119f), most);
    lanes size = _mm512_maskz_div_ps((__mmask16)some, most, levels);
    return (struct scales){
        _mm512_mask_blend_ps((__mmask16)finite, lanes_set(NAN), size),
        _mm512_maskz_div_ps((__mmask16)some, levels, most),
    };
}

/* Of the segment that begins at depth j. */
struct scale {
    float size, inverse;
};
static inline struct scale segment_scale(const float *row, size_t j, size_t d)
{
    uint32_t most = _mm512_reduce_max_epu32(segment_largest(row, j, d));
    struct scales s = segment_scales(_mm512_set1_epi32((int)most));
    return (struct scale){_mm512_cvtss_f32(s.size),
                          _mm512_cvtss_f32(s.inverse)};
}

/* Of the segment that begins at depth j, Σ(x/s)² of what becomes zero. */
static inline float segment_lost(const float *row, size_t j, size_t d,
                                 float inverse)
{
    const lanes half = lanes_set(0.5f), factor = lanes_set(inverse);
    lanes sum = lanes_zero();
    for (size_t i = j; i < j + SEGMENT && i < d; i += LANES) {
        lanes x = lanes_mul(segment_load(row, i, d), factor);
        uint32_t zero = ~lanes_above(_mm512_abs_ps(x), half) & 0xffff;
        sum = _mm512_mask3_fmadd_ps(x, x, sum, (__mmask16)zero);
    }
    return lanes_sum(sum);
}

/* Depths [j, j + QUAD_DEPTHS) as signed bytes. Two rounds of packing narrow
 * within quarters of registers; the last step puts quads in order. */
static inline __m512i segment_bytes(const float *row, size_t j, size_t d,
                                    float inverse)
{
    const __m512i order =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const lanes factor = lanes_set(inverse);
    __m512i q[4];
    for (size_t i = 0; i < 4; i++)
        q[i] = _mm512_cvtps_epi32(
            lanes_mul(segment_load(row, j + i * LANES, d), factor));
    __m512i low = _mm512_packs_epi32(q[0], q[1]);
    __m512i high = _mm512_packs_epi32(q[2], q[3]);
    return _mm512_permutexvar_epi32(order, _mm512_packs_epi16(low, high));
}

#endif
