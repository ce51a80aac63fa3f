/* SPDX-License-Identifier: MIT
 *
 * Sixteen registers of sixteen 32-bit lanes as a square matrix, transposed in
 * four rounds of shuffles: within pairs, fours, eights and sixteens of lanes.
 */
#ifndef KERNELS_AVX512_TRANSPOSE_H
#define KERNELS_AVX512_TRANSPOSE_H

#include <immintrin.h>

static inline __m512d transpose_pd(__m512 v)
{
    return _mm512_castps_pd(v);
}

static inline void transpose(__m512 v[16])
{
    __m512 t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int j = 0; j < 2; j++) {
            __m512d a = transpose_pd(t[i + j]), b = transpose_pd(t[i + j + 2]);
            v[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            v[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
    /* v[4q + c] holds, in each quarter Q of its lanes, column 4Q + c of rows
     * 4q to 4q + 3. */
    for (int c = 0; c < 4; c++) {
        __m512 a = _mm512_shuffle_f32x4(v[c], v[4 + c], 0x88);
        __m512 b = _mm512_shuffle_f32x4(v[c], v[4 + c], 0xdd);
        __m512 e = _mm512_shuffle_f32x4(v[8 + c], v[12 + c], 0x88);
        __m512 f = _mm512_shuffle_f32x4(v[8 + c], v[12 + c], 0xdd);
        t[c] = _mm512_shuffle_f32x4(a, e, 0x88);
        t[4 + c] = _mm512_shuffle_f32x4(b, f, 0x88);
        t[8 + c] = _mm512_shuffle_f32x4(a, e, 0xdd);
        t[12 + c] = _mm512_shuffle_f32x4(b, f, 0xdd);
    }
    for (int i = 0; i < 16; i++)
        v[i] = t[i];
}

#endif
