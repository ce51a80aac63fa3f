/* SPDX-License-Identifier: MIT
 *
 * Speed of the products and of packing.
 */
#include <string.h>

#include "tests/kernels/bench.h"
#include "tests/kernels/buffers.h"

/* About 200 rows by one panel over a stretch of the width of GPT-2 small, which
 * a panel shares with L1. */
enum { WIDTH = 768, STRETCH = 256, BENCH_ROWS_AT_ONCE = 200 };

struct names {
    const char *run, *pack_rows, *pack_features, *peak;
};

static void bench_one(const struct product *p, const struct names *names,
                      struct bench *b)
{
    const size_t groups = BENCH_ROWS_AT_ONCE / p->rows;
    const size_t needed = product_group(p, WIDTH);
    const size_t panel_bytes = product_panel(p, WIDTH);
    const size_t group_bytes =
        (needed + BUFFER_LINE - 1) / BUFFER_LINE * BUFFER_LINE;
    const double flop =
        2.0 * STRETCH * (double)(groups * p->rows * p->features);
    float *x = bench_floats(b, WIDTH * p->rows);
    float *w = bench_floats(b, WIDTH * p->features);
    char *packed = bench_memory(b, groups * group_bytes);
    char *panel = bench_memory(b, panel_bytes);
    float *tiles =
        bench_memory(b, groups * p->rows * p->features * sizeof *tiles);
    uint32_t *index = bench_memory(b, p->features * sizeof *index);
    for (size_t i = 0; i < p->features; i++)
        index[i] = (uint32_t)i;
    for (bench_begin(b, names->pack_features, BENCH_BYTES,
                     (double)(4 * WIDTH * p->features + panel_bytes));
         bench_again(b);)
        p->pack_features(panel, w, index, p->features, WIDTH);
    for (bench_begin(b, names->pack_rows, BENCH_BYTES,
                     (double)(WIDTH * p->rows * 4 + needed));
         bench_again(b);)
        p->pack_rows(packed, x, p->rows, WIDTH);
    for (size_t g = 1; g < groups; g++)
        memcpy(packed + g * group_bytes, packed, group_bytes);
    for (bench_begin(b, names->run, BENCH_FLOP, flop); bench_again(b);)
        p->run(tiles, packed, groups, group_bytes, panel, STRETCH, false);
    double done = p->peak(1);
    for (bench_begin(b, names->peak, BENCH_FLOP, done); bench_again(b);)
        p->peak(1);
}

void bench_product(const struct kernels *k, struct bench *b)
{
    static const struct names exact = {"exact.run", "exact.pack_rows",
                                       "exact.pack_features", "exact.peak"};
    static const struct names coarse = {"coarse.run", "coarse.pack_rows",
                                        "coarse.pack_features", "coarse.peak"};
    bench_one(&k->exact, &exact, b);
    if (k->coarse.run != NULL)
        bench_one(&k->coarse, &coarse, b);
}
