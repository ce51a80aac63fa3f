/* SPDX-License-Identifier: MIT
 *
 * fp32 panels, multiplied in tiles of sums that fit the sixteen 4-wide
 * registers that every x86-64 and ARMv8 has. The vectors are spelled out, which
 * gcc and clang understand for any processor: left alone, gcc 12 vectorises
 * across rows and spends its time on shuffles.
 */
#include "kernels/portable/portable.h"

#include <string.h>

enum { ROWS = 4, FEATURES = 8 };

static void pack_rows(void *group, const float *x, size_t n, size_t d)
{
    float *out = group;
    for (size_t j = 0; j < d; j++)
        for (size_t r = 0; r < ROWS; r++)
            *out++ = r < n ? x[r * d + j] : 0;
}

static void pack_features(void *panel, const float *w, const uint32_t *index,
                          size_t n, size_t d)
{
    float *out = panel;
    for (size_t i = 0; i < FEATURES; i++)
        for (size_t j = 0; j < d; j++)
            out[j * FEATURES + i] = i < n ? w[index[i] * d + j] : 0;
}

typedef float four __attribute__((vector_size(16)));

static inline four load(const float *x)
{
    four v;
    memcpy(&v, x, sizeof v);
    return v;
}

static void tile(float *out, const float *x, const float *w, size_t depth,
                 bool more)
{
    four sum[ROWS][2] = {{{0}}};
    if (more)
        memcpy(sum, out, sizeof sum);
    for (size_t j = 0; j < depth; j++) {
        const four w0 = load(w), w1 = load(w + 4);
        for (size_t r = 0; r < ROWS; r++) {
            const four xr = {x[r], x[r], x[r], x[r]};
            sum[r][0] += xr * w0;
            sum[r][1] += xr * w1;
        }
        x += ROWS;
        w += FEATURES;
    }
    memcpy(out, sum, sizeof sum);
}

static void run(float *tiles, const void *groups, size_t n_groups,
                size_t group_bytes, const void *panel, size_t depth, bool more)
{
    for (size_t g = 0; g < n_groups; g++) {
        const void *group = (const char *)groups + g * group_bytes;
        tile(tiles + g * ROWS * FEATURES, group, panel, depth, more);
    }
}

static double peak(double flop)
{
    enum { DEPTH = 64 };
    float x[DEPTH * ROWS], w[DEPTH * FEATURES], sum[ROWS * FEATURES] = {0};
    const double each = 2.0 * DEPTH * ROWS * FEATURES;
    /* Numbers that the compiler does not know, and sums that it must make. */
    volatile float number = 1e-3f, sink = 0;
    for (size_t i = 0; i < DEPTH * ROWS; i++)
        x[i] = number;
    for (size_t i = 0; i < DEPTH * FEATURES; i++)
        w[i] = number;
    double done = 0;
    for (; done < flop; done += each)
        tile(sum, x, w, DEPTH, true);
    for (size_t i = 0; i < ROWS * FEATURES; i++)
        sink += sum[i];
    (void)sink;
    return done;
}

void portable_product(struct kernels *k)
{
    k->exact = (struct product){
        .numbers = "fp32",
        .rows = ROWS,
        .features = FEATURES,
        .step = 1,
        .group_step = ROWS * sizeof(float),
        .panel_step = FEATURES * sizeof(float),
        .pack_rows = pack_rows,
        .pack_features = pack_features,
        .run = run,
        .peak = peak,
    };
    k->coarse = (struct product){.run = NULL};
}
