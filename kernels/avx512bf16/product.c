/* SPDX-License-Identifier: MIT
 *
 * The coarse product by VDPBF16PS: tiles as in avx512/product.c, but each
 * multiply-add takes two depths. It rounds to nearest and takes subnormal
 * numbers as zero whatever MXCSR says.
 */
#include "kernels/avx512/lanes.h"
#include "kernels/avx512bf16/avx512bf16.h"
#include "kernels/avx512bf16/pairs.h"

enum { ROWS = 14, STEP = 2 };

static void pack_rows(void *group, const float *x, size_t n, size_t d)
{
    uint32_t *out = group;
    size_t pairs = (d + 1) / 2;
    for (size_t r = 0; r < ROWS; r++)
        for (size_t j = 0; j < pairs; j += LANES) {
            uint32_t pair[LANES] = {0};
            if (r < n)
                lanes_store((void *)pair, pairs_load(x + r * d, 2 * j, d));
            for (size_t i = 0; i < LANES && j + i < pairs; i++)
                out[(j + i) * ROWS + r] = pair[i];
        }
}

static void pack_features(void *panel, const float *w, const uint32_t *index,
                          size_t n, size_t d)
{
    pairs_pack_features(panel, w, index, n, d, STEP);
}

static inline __m512 multiply_add(__m512 sum, uint32_t x, __m512i w)
{
    __m512i pairs = _mm512_set1_epi32((int)x);
    return _mm512_dpbf16_ps(sum, (__m512bh)pairs, (__m512bh)w);
}

static inline void tile(float *out, const uint32_t *x, const uint32_t *w,
                        size_t pairs, bool more)
{
    __m512 sum[ROWS][2];
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < 2; i++)
            sum[r][i] = more ? lanes_load(out + r * PAIRS_FEATURES + i * LANES)
                             : lanes_zero();
    for (size_t j = 0; j < pairs; j++) {
        __m512i w0 = _mm512_loadu_si512(w);
        __m512i w1 = _mm512_loadu_si512(w + LANES);
        for (int r = 0; r < ROWS; r++) {
            sum[r][0] = multiply_add(sum[r][0], x[r], w0);
            sum[r][1] = multiply_add(sum[r][1], x[r], w1);
        }
        x += ROWS;
        w += PAIRS_FEATURES;
    }
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < 2; i++)
            lanes_store(out + r * PAIRS_FEATURES + i * LANES, sum[r][i]);
}

static void run(float *tiles, const void *groups, size_t n_groups,
                size_t group_bytes, const void *panel, size_t depth, bool more)
{
    for (size_t g = 0; g < n_groups; g++) {
        const void *group = (const char *)groups + g * group_bytes;
        tile(tiles + g * ROWS * PAIRS_FEATURES, group, panel, depth / STEP,
             more);
    }
}

static double peak(double flop)
{
    enum { ROUNDS = 1024, SUMS = 12 };
    __m512 sum[SUMS];
    const __m512i ones = _mm512_set1_epi32(0x3f803f80);
    for (int i = 0; i < SUMS; i++)
        sum[i] = lanes_set(1); /* zeros would become a memset */
    double done = 0;
    for (; done < flop; done += 4.0 * LANES * SUMS * ROUNDS)
        for (int round = 0; round < ROUNDS; round++)
            for (int i = 0; i < SUMS; i++) {
                __m512 next = multiply_add(sum[i], 0x3f803f80, ones);
                __asm__ volatile("" : "+v"(next));
                sum[i] = next;
            }
    return done;
}

void avx512bf16_product(struct kernels *k)
{
    k->coarse = (struct product){
        .numbers = "bf16",
        .rows = ROWS,
        .features = PAIRS_FEATURES,
        .step = STEP,
        .group_step = ROWS * STEP * 2,
        .panel_step = PAIRS_FEATURES * STEP * 2,
        .pack_rows = pack_rows,
        .pack_features = pack_features,
        .run = run,
        .peak = peak,
        .rounding = {pairs_terms, pairs_raise, pairs_margin},
    };
}
