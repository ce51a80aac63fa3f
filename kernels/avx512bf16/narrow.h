/* SPDX-License-Identifier: MIT
 *
 * VCVTNEPS2BF16.
 */
#ifndef KERNELS_AVX512BF16_NARROW_H
#define KERNELS_AVX512BF16_NARROW_H

#include <immintrin.h>
#include <string.h>

static inline __m256i narrow(__m512 v)
{
    __m256bh half = _mm512_cvtneps_pbh(v);
    __m256i out;
    memcpy(&out, &half, sizeof out);
    return out;
}

#endif
