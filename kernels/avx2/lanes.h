/* SPDX-License-Identifier: MIT
 *
 * Eight floats, or four doubles, in a register: what the templates in
 * kernels/lanes/ are written in.
 */
#ifndef KERNELS_AVX2_LANES_H
#define KERNELS_AVX2_LANES_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { LANES = 8 };
typedef __m256 lanes;
typedef __m256d doubles; /* half as many */

static inline lanes lanes_zero(void)
{
    return _mm256_setzero_ps();
}
static inline lanes lanes_set(float x)
{
    return _mm256_set1_ps(x);
}
static inline lanes lanes_load(const float *x)
{
    return _mm256_loadu_ps(x);
}
static inline void lanes_store(float *x, lanes v)
{
    _mm256_storeu_ps(x, v);
}

/* The first n < LANES lanes; the others load as zero and are not stored. */
static inline __m256i lanes_mask(size_t n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane);
}
static inline lanes lanes_load_first(const float *x, size_t n)
{
    return _mm256_maskload_ps(x, lanes_mask(n));
}
static inline void lanes_store_first(float *x, lanes v, size_t n)
{
    _mm256_maskstore_ps(x, lanes_mask(n), v);
}

static inline lanes lanes_add(lanes a, lanes b)
{
    return _mm256_add_ps(a, b);
}
static inline lanes lanes_sub(lanes a, lanes b)
{
    return _mm256_sub_ps(a, b);
}
static inline lanes lanes_mul(lanes a, lanes b)
{
    return _mm256_mul_ps(a, b);
}
static inline lanes lanes_div(lanes a, lanes b)
{
    return _mm256_div_ps(a, b);
}
static inline lanes lanes_sqrt(lanes a)
{
    return _mm256_sqrt_ps(a);
}
/* a·b + c, and c − a·b */
static inline lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return _mm256_fmadd_ps(a, b, c);
}
static inline lanes lanes_fnma(lanes a, lanes b, lanes c)
{
    return _mm256_fnmadd_ps(a, b, c);
}
static inline float lanes_sum(lanes v)
{
    __m128 s =
        _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/* A bit for every lane where a > b; none for a NaN. */
static inline uint32_t lanes_above(lanes a, lanes b)
{
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ));
}

static inline doubles doubles_zero(void)
{
    return _mm256_setzero_pd();
}
static inline doubles doubles_low(lanes v)
{
    return _mm256_cvtps_pd(_mm256_castps256_ps128(v));
}
static inline doubles doubles_high(lanes v)
{
    return _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
}
static inline doubles doubles_add(doubles a, doubles b)
{
    return _mm256_add_pd(a, b);
}
static inline doubles doubles_mul(doubles a, doubles b)
{
    return _mm256_mul_pd(a, b);
}
static inline doubles doubles_fma(doubles a, doubles b, doubles c)
{
    return _mm256_fmadd_pd(a, b, c);
}
static inline double doubles_sum(doubles v)
{
    __m128d s =
        _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
    return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}

static inline void lanes_prefetch(const void *p)
{
    _mm_prefetch((const char *)p, _MM_HINT_T0);
}

#endif
