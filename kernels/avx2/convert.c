/* SPDX-License-Identifier: MIT
 *
 * F16C for f16, integer arithmetic for bf16. VCVTPS2PH and VCVTPH2PS keep NaNs
 * quiet and handle subnormals; MXCSR's flush-to-zero does not touch them.
 */
#include "kernels/avx2/lanes.h"
#include "kernels/avx2/avx2.h"

#include <string.h>

static void f16_to_f32(float *out, const void *in, size_t n)
{
    const char *bytes = in;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const void *at = bytes + 2 * i;
        lanes_store(out + i, _mm256_cvtph_ps(_mm_loadu_si128(at)));
    }
    if (i < n) {
        uint16_t last[LANES] = {0};
        memcpy(last, bytes + 2 * i, 2 * (n - i));
        const void *at = last;
        lanes_store_first(out + i, _mm256_cvtph_ps(_mm_loadu_si128(at)), n - i);
    }
}

static inline lanes widen(__m128i v)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(v), 16));
}

static void bf16_to_f32(float *out, const void *in, size_t n)
{
    const char *bytes = in;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const void *at = bytes + 2 * i;
        lanes_store(out + i, widen(_mm_loadu_si128(at)));
    }
    if (i < n) {
        uint16_t last[LANES] = {0};
        memcpy(last, bytes + 2 * i, 2 * (n - i));
        const void *at = last;
        lanes_store_first(out + i, widen(_mm_loadu_si128(at)), n - i);
    }
}

static void f32_to_f16(uint16_t *out, const float *in, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        void *at = out + i;
        _mm_storeu_si128(
            at, _mm256_cvtps_ph(lanes_load(in + i), _MM_FROUND_TO_NEAREST_INT));
    }
    if (i < n) {
        uint16_t last[LANES];
        void *at = last;
        _mm_storeu_si128(at, _mm256_cvtps_ph(lanes_load_first(in + i, n - i),
                                             _MM_FROUND_TO_NEAREST_INT));
        memcpy(out + i, last, 2 * (n - i));
    }
}

/* bf16 in the lower half of each lane, as portable/convert.c has it. */
static inline __m256i narrow(lanes v)
{
    const __m256i x = _mm256_castps_si256(v);
    const __m256i a = _mm256_and_si256(x, _mm256_set1_epi32(0x7fffffff));
    const __m256i odd =
        _mm256_and_si256(_mm256_srli_epi32(a, 16), _mm256_set1_epi32(1));
    __m256i up =
        _mm256_add_epi32(_mm256_add_epi32(a, odd), _mm256_set1_epi32(0x7fff));
    __m256i quiet = _mm256_or_si256(a, _mm256_set1_epi32(0x00400000));
    __m256i nan = _mm256_cmpgt_epi32(a, _mm256_set1_epi32(0x7f800000));
    __m256i small = _mm256_cmpgt_epi32(_mm256_set1_epi32(0x00800000), a);
    __m256i result = _mm256_srli_epi32(_mm256_blendv_epi8(up, quiet, nan), 16);
    result = _mm256_andnot_si256(small, result);
    __m256i sign =
        _mm256_and_si256(_mm256_srli_epi32(x, 16), _mm256_set1_epi32(0x8000));
    return _mm256_or_si256(result, sign);
}

static inline __m128i narrow_packed(lanes v)
{
    __m256i wide = narrow(v);
    return _mm_packus_epi32(_mm256_castsi256_si128(wide),
                            _mm256_extracti128_si256(wide, 1));
}

static void f32_to_bf16(uint16_t *out, const float *in, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        void *at = out + i;
        _mm_storeu_si128(at, narrow_packed(lanes_load(in + i)));
    }
    if (i < n) {
        uint16_t last[LANES];
        void *at = last;
        _mm_storeu_si128(at, narrow_packed(lanes_load_first(in + i, n - i)));
        memcpy(out + i, last, 2 * (n - i));
    }
}

/* Lanes whose exponent is all ones. */
static inline uint32_t not_finite(lanes v)
{
    const __m256i exponent = _mm256_set1_epi32(0x7f800000);
    __m256i all = _mm256_cmpeq_epi32(
        _mm256_and_si256(_mm256_castps_si256(v), exponent), exponent);
    return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(all));
}

static size_t first_not_finite(const float *x, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        uint32_t bad = not_finite(lanes_load(x + i));
        if (bad != 0)
            return i + (size_t)__builtin_ctz(bad);
    }
    if (i < n) {
        uint32_t bad = not_finite(lanes_load_first(x + i, n - i));
        if (bad != 0)
            return i + (size_t)__builtin_ctz(bad);
    }
    return n;
}

void avx2_convert(struct kernels *k)
{
    k->f16_to_f32 = f16_to_f32;
    k->bf16_to_f32 = bf16_to_f32;
    k->f32_to_f16 = f32_to_f16;
    k->f32_to_bf16 = f32_to_bf16;
    k->first_not_finite = first_not_finite;
}
