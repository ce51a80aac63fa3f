/* SPDX-License-Identifier: MIT
 *
 * 6 rows by 16 features: 12 of 16 registers are sums, two hold the panel, one
 * the row's number.
 */
#include "kernels/avx2/lanes.h"
#include "kernels/avx2/avx2.h"

enum { TILE_ROWS = 6 };
#include "kernels/lanes/product.h"

/* Eight registers as a square matrix, transposed: pairs, fours, eights. */
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

static void pack_features(void *panel, const float *w, const uint32_t *index,
                          size_t n, size_t d)
{
    float *out = panel;
    for (size_t first = 0; first < TILE_FEATURES; first += LANES)
        for (size_t j = 0; j < d; j += LANES) {
            size_t depths = d - j < LANES ? d - j : LANES;
            __m256 v[LANES];
            for (size_t i = 0; i < LANES; i++)
                v[i] =
                    first + i < n
                        ? lanes_load_first(w + index[first + i] * d + j, depths)
                        : lanes_zero();
            transpose(v);
            for (size_t i = 0; i < depths; i++)
                lanes_store(out + (j + i) * TILE_FEATURES + first, v[i]);
        }
}

void avx2_product(struct kernels *k)
{
    k->exact = (struct product){
        .rows = TILE_ROWS,
        .features = TILE_FEATURES,
        .step = 1,
        .element = sizeof(float),
        .pack_rows = pack_rows,
        .pack_features = pack_features,
        .run = run,
        .peak = peak,
    };
}
