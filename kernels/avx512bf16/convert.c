/* SPDX-License-Identifier: MIT
 *
 * VCVTNEPS2BF16 for whole registers.
 */
#include "kernels/avx512/lanes.h"
#include "kernels/avx512bf16/avx512bf16.h"
#include "kernels/avx512bf16/narrow.h"

static void f32_to_bf16(uint16_t *out, const float *in, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        _mm256_storeu_si256((void *)(out + i), narrow(lanes_load(in + i)));
    if (i < n)
        _mm256_mask_storeu_epi16(out + i, lanes_mask(n - i),
                                 narrow(lanes_load_first(in + i, n - i)));
}

void avx512bf16_convert(struct kernels *k)
{
    k->f32_to_bf16 = f32_to_bf16;
}
