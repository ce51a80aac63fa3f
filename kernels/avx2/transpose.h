/* SPDX-License-Identifier: MIT
 *
 * Eight registers of eight lanes as a square matrix, transposed in three rounds
 * of shuffles: within pairs, fours and eights of lanes.
 */
#ifndef KERNELS_AVX2_TRANSPOSE_H
#define KERNELS_AVX2_TRANSPOSE_H

#include <immintrin.h>

static inline void transpose(__m256 v[8])
{
    __m256 t[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; j++) {
            __m256 a = t[i + j], b = t[i + j + 2];
            v[i + 2 * j] = _mm256_shuffle_ps(a, b, 0x44);
            v[i + 2 * j + 1] = _mm256_shuffle_ps(a, b, 0xee);
        }
    for (int c = 0; c < 4; c++) {
        t[c] = _mm256_permute2f128_ps(v[c], v[4 + c], 0x20);
        t[4 + c] = _mm256_permute2f128_ps(v[c], v[4 + c], 0x31);
    }
    for (int i = 0; i < 8; i++)
        v[i] = t[i];
}

#endif
