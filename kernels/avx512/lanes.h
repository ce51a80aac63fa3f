/* SPDX-License-Identifier: MIT
 *
 * Sixteen floats, or eight doubles, in a register: what the templates in
 * kernels/lanes/ are written in.
 */
#ifndef KERNELS_AVX512_LANES_H
#define KERNELS_AVX512_LANES_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { LANES = 16 };
typedef __m512 lanes;
typedef __m512d doubles; /* half as many */

static inline lanes lanes_zero(void)
{
    return _mm512_setzero_ps();
}
static inline lanes lanes_set(float x)
{
    return _mm512_set1_ps(x);
}
static inline lanes lanes_load(const float *x)
{
    return _mm512_loadu_ps(x);
}
static inline void lanes_store(float *x, lanes v)
{
    _mm512_storeu_ps(x, v);
}

/* The first n < LANES lanes; the others load as zero and are not stored. */
static inline __mmask16 lanes_mask(size_t n)
{
    return (__mmask16)((1u << n) - 1);
}
static inline lanes lanes_load_first(const float *x, size_t n)
{
    return _mm512_maskz_loadu_ps(lanes_mask(n), x);
}
static inline void lanes_store_first(float *x, lanes v, size_t n)
{
    _mm512_mask_storeu_ps(x, lanes_mask(n), v);
}

static inline lanes lanes_add(lanes a, lanes b)
{
    return _mm512_add_ps(a, b);
}
static inline lanes lanes_sub(lanes a, lanes b)
{
    return _mm512_sub_ps(a, b);
}
static inline lanes lanes_mul(lanes a, lanes b)
{
    return _mm512_mul_ps(a, b);
}
static inline lanes lanes_div(lanes a, lanes b)
{
    return _mm512_div_ps(a, b);
}
static inline lanes lanes_sqrt(lanes a)
{
    return _mm512_sqrt_ps(a);
}
/* a·b + c, and c − a·b */
static inline lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return _mm512_fmadd_ps(a, b, c);
}
static inline lanes lanes_fnma(lanes a, lanes b, lanes c)
{
    return _mm512_fnmadd_ps(a, b, c);
}
static inline float lanes_sum(lanes v)
{
    return _mm512_reduce_add_ps(v);
}

/* A bit for every lane where a > b; none for a NaN. */
static inline uint32_t lanes_above(lanes a, lanes b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ);
}

static inline doubles doubles_zero(void)
{
    return _mm512_setzero_pd();
}
static inline doubles doubles_low(lanes v)
{
    return _mm512_cvtps_pd(_mm512_castps512_ps256(v));
}
static inline doubles doubles_high(lanes v)
{
    return _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));
}
static inline doubles doubles_add(doubles a, doubles b)
{
    return _mm512_add_pd(a, b);
}
static inline doubles doubles_mul(doubles a, doubles b)
{
    return _mm512_mul_pd(a, b);
}
static inline doubles doubles_fma(doubles a, doubles b, doubles c)
{
    return _mm512_fmadd_pd(a, b, c);
}
static inline double doubles_sum(doubles v)
{
    return _mm512_reduce_add_pd(v);
}

static inline void lanes_prefetch(const void *p)
{
    _mm_prefetch((const char *)p, _MM_HINT_T0);
}

#endif
