/* SPDX-License-Identifier: MIT
 *
 * 14 rows by 32 features: 28 of 32 registers are sums, two hold the panel, one
 * the row's number.
 */
#include "kernels/avx512/lanes.h"
#include "kernels/avx512/avx512.h"

enum { TILE_ROWS = 14 };
#include "kernels/lanes/product.h"
#include "kernels/avx512/transpose.h"

/* Sixteen features by sixteen depths at a time, turned in registers. */
static void pack_features(void *panel, const float *w, const uint32_t *index,
                          size_t n, size_t d)
{
    float *out = panel;
    for (size_t first = 0; first < TILE_FEATURES; first += LANES)
        for (size_t j = 0; j < d; j += LANES) {
            size_t depths = d - j < LANES ? d - j : LANES;
            __m512 v[LANES];
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

void avx512_product(struct kernels *k)
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
