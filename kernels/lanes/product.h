/* SPDX-License-Identifier: MIT
 *
 * Template: the fp32 product for the registers of the lanes.h that is included
 * before, with a transpose.h that turns LANES of them. The includer defines
 * TILE_ROWS; a tile is TILE_ROWS rows by two
 * registers of features, all sums in registers: each depth costs two loads of
 * the panel and TILE_ROWS broadcasts for 2·TILE_ROWS multiply-adds.
 */
#ifndef KERNELS_LANES_PRODUCT_H
#define KERNELS_LANES_PRODUCT_H

#include "kernels/kernels.h"

enum { TILE_FEATURES = 2 * LANES };

static void pack_rows(void *group, const float *x, size_t n, size_t d)
{
    float *out = group;
    for (size_t j = 0; j < d; j++)
        for (size_t r = 0; r < TILE_ROWS; r++)
            *out++ = r < n ? x[r * d + j] : 0;
}

/* LANES features by LANES depths at a time, turned in registers. */
static void pack_features(void *panel, const float *w, const uint32_t *index,
                          size_t n, size_t d)
{
    float *out = panel;
    for (size_t first = 0; first < TILE_FEATURES; first += LANES)
        for (size_t j = 0; j < d; j += LANES) {
            size_t depths = d - j < LANES ? d - j : LANES;
            lanes v[LANES];
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

static inline void tile(float *out, const float *x, const float *w,
                        size_t depth, bool more)
{
    lanes sum[TILE_ROWS][2];
    for (int r = 0; r < TILE_ROWS; r++)
        for (int i = 0; i < 2; i++)
            sum[r][i] = more ? lanes_load(out + r * TILE_FEATURES + i * LANES)
                             : lanes_zero();
    for (size_t j = 0; j < depth; j++) {
        lanes w0 = lanes_load(w), w1 = lanes_load(w + LANES);
        for (int r = 0; r < TILE_ROWS; r++) {
            lanes xr = lanes_set(x[r]);
            sum[r][0] = lanes_fma(xr, w0, sum[r][0]);
            sum[r][1] = lanes_fma(xr, w1, sum[r][1]);
        }
        x += TILE_ROWS;
        w += TILE_FEATURES;
    }
    for (int r = 0; r < TILE_ROWS; r++)
        for (int i = 0; i < 2; i++)
            lanes_store(out + r * TILE_FEATURES + i * LANES, sum[r][i]);
}

static void run(float *tiles, const void *groups, size_t n_groups,
                size_t group_bytes, const void *panel, size_t depth, bool more)
{
    for (size_t g = 0; g < n_groups; g++) {
        const void *group = (const char *)groups + g * group_bytes;
        tile(tiles + g * TILE_ROWS * TILE_FEATURES, group, panel, depth, more);
    }
}

/* As many independent sums as a tile has, of values the compiler cannot see
 * through. */
static double peak(double flop)
{
    enum { ROUNDS = 1024, SUMS = 12 };
    lanes sum[SUMS], x = lanes_set(1e-3f);
    for (int i = 0; i < SUMS; i++)
        sum[i] = x; /* zeros would become a memset, and sums memory */
    double done = 0;
    for (; done < flop; done += 2.0 * LANES * SUMS * ROUNDS)
        for (int round = 0; round < ROUNDS; round++)
            for (int i = 0; i < SUMS; i++) {
                lanes next = lanes_fma(x, x, sum[i]);
                __asm__ volatile("" : "+v"(next));
                sum[i] = next;
            }
    return done;
}

static inline struct product exact_product(void)
{
    return (struct product){
        .numbers = "fp32",
        .rows = TILE_ROWS,
        .features = TILE_FEATURES,
        .step = 1,
        .group_step = TILE_ROWS * sizeof(float),
        .panel_step = TILE_FEATURES * sizeof(float),
        .pack_rows = pack_rows,
        .pack_features = pack_features,
        .run = run,
        .peak = peak,
    };
}

#endif
