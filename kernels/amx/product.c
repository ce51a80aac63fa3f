/* SPDX-License-Identifier: MIT
 *
 * The coarse product by TDPBF16PS: 32 rows by 32 features as two by two tiles
 * of sums, so that four tile loads feed four multiply-adds. A tile of rows is
 * sixteen rows of 32 depths; a tile of features sixteen pairs of depths of
 * sixteen features.
 *
 * Packed, the 32 rows of 32 depths are one stretch of 2 KB and so are the 32
 * features of them: tile loads run through memory in order, whatever d is. A
 * load of sixteen lines from L1 takes 8 cycles, a multiply-add 16: loads keep
 * up where one of the two operands comes from L1, which is what stretches of
 * depth are for (encoder.c); lines of the other are asked for two stretches
 * ahead.
 *
 * Tile configuration is a thread's: it is loaded on entry and released before
 * returning.
 */
#include <immintrin.h>
#include <math.h>

#include "kernels/amx/amx.h"
#include "kernels/amx/pairs.h"

enum {
    ROWS = 32,
    STEP = PAIRS_DEPTHS,
    TILE = 16,             /* rows of a tile, and its columns */
    STRETCH = ROWS * STEP, /* numbers of a group in one step */
    ROW_BYTES = STEP * 2,  /* of a tile of rows */
    PAIR_BYTES = PAIRS_FEATURES * 4,
    SUM_BYTES = PAIRS_FEATURES * 4,
};

/* As LDTILECFG reads it. */
struct configuration {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

static void configure(void)
{
    struct configuration c = {.palette = 1};
    for (int t = 0; t < 8; t++) {
        c.row_bytes[t] = 64;
        c.rows[t] = TILE;
    }
    /* Some headers (gcc 12) tell the compiler of eight bytes that the
     * instruction reads; it reads all 64. */
    __asm__ volatile("" : : "r"(&c) : "memory");
    _tile_loadconfig(&c);
}

/* group (depth/32, 32 rows, 32 depths) */
static void pack_rows(void *group, const float *x, size_t n, size_t d)
{
    char *out = group;
    for (size_t j = 0; j < d; j += STEP)
        for (size_t r = 0; r < ROWS; r++, out += ROW_BYTES)
            lanes_store((void *)out,
                        r < n ? pairs_load(x + r * d, j, d) : lanes_zero());
}

/* Tiles 0 to 3 are sums (rows, then features), 4 and 5 rows, 6 and 7 features.
 */
static inline void load_sums(const float *out)
{
    _tile_loadd(0, out, SUM_BYTES);
    _tile_loadd(1, out + TILE, SUM_BYTES);
    _tile_loadd(2, out + TILE * PAIRS_FEATURES, SUM_BYTES);
    _tile_loadd(3, out + TILE * PAIRS_FEATURES + TILE, SUM_BYTES);
}

static inline void zero_sums(void)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

static inline void store_sums(float *out)
{
    _tile_stored(0, out, SUM_BYTES);
    _tile_stored(1, out + TILE, SUM_BYTES);
    _tile_stored(2, out + TILE * PAIRS_FEATURES, SUM_BYTES);
    _tile_stored(3, out + TILE * PAIRS_FEATURES + TILE, SUM_BYTES);
}

static inline void prefetch_stretch(const char *at)
{
    for (int line = 0; line < STRETCH * 2; line += 64)
        _mm_prefetch(at + line, _MM_HINT_T0);
}

static inline void multiply_stretch(const char *x, const char *w)
{
    _tile_loadd(4, x, ROW_BYTES);
    _tile_loadd(6, w, PAIR_BYTES);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, w + TILE * 4, PAIR_BYTES);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, x + TILE * ROW_BYTES, ROW_BYTES);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
}

static void run(float *tiles, const void *groups, size_t n_groups,
                size_t group_bytes, const void *panel, size_t depth, bool more)
{
    configure();
    for (size_t g = 0; g < n_groups; g++) {
        const char *x = (const char *)groups + g * group_bytes, *w = panel;
        float *out = tiles + g * ROWS * PAIRS_FEATURES;
        if (more)
            load_sums(out);
        else
            zero_sums();
        for (size_t j = 0; j < depth; j += STEP) {
            prefetch_stretch(x + 2 * STRETCH * 2);
            multiply_stretch(x, w);
            x += STRETCH * 2;
            w += STRETCH * 2;
        }
        store_sums(out);
    }
    _tile_release();
}

/* Tiles from L1: one stretch again and again. */
static double peak(double flop)
{
    enum { ROUNDS = 64 };
    _Alignas(64) uint16_t x[STRETCH] = {0}, w[STRETCH] = {0};
    _Alignas(64) float out[ROWS * PAIRS_FEATURES];
    double done = 0;
    configure();
    zero_sums();
    for (; done < flop; done += 2.0 * ROWS * PAIRS_FEATURES * STEP * ROUNDS)
        for (int round = 0; round < ROUNDS; round++)
            multiply_stretch((const char *)x, (const char *)w);
    store_sums(out);
    _tile_release();
    return done;
}

/* ---- rounding ---- */

/* One: a feature's Σw⁴. */
static size_t terms(size_t d)
{
    (void)d;
    return 1;
}

static void raise_terms(double *terms, const void *panel, size_t d)
{
    const float *w = panel; /* a pair in each */
    for (size_t first = 0; first < PAIRS_FEATURES; first += LANES) {
        struct fourths sum = {doubles_zero(), doubles_zero()};
        for (size_t j = 0; j < (d + 1) / 2; j++)
            sum = pairs_fourths(
                sum, _mm512_loadu_si512(w + first + j * PAIRS_FEATURES));
        /* Of a NaN and another the other is taken. */
        doubles most = _mm512_max_pd(sum.low, _mm512_set1_pd(*terms));
        most = _mm512_max_pd(sum.high, most);
        *terms = _mm512_reduce_max_pd(most);
    }
}

static void margins(float *margin, const void *group, size_t n, size_t d,
                    const double *terms)
{
    const char *x = group;
    for (size_t r = 0; r < n; r++) {
        struct fourths sum = {doubles_zero(), doubles_zero()};
        for (size_t j = 0; j < d; j += STEP)
            sum = pairs_fourths(
                sum, _mm512_loadu_si512(x + r * ROW_BYTES + j * ROWS * 2));
        double fourth = doubles_sum(doubles_add(sum.low, sum.high));
        margin[r] = (float)(6 * 0x1p-9 * sqrt(sqrt(fourth) * sqrt(*terms)));
    }
}

void amx_product(struct kernels *k)
{
    k->coarse = (struct product){
        .numbers = "bf16",
        .rows = ROWS,
        .features = PAIRS_FEATURES,
        .step = STEP,
        .group_step = ROWS * STEP * 2,
        .panel_step = PAIRS_FEATURES * STEP * 2,
        .pack_rows = pack_rows,
        .pack_features = pairs_pack_features,
        .run = run,
        .peak = peak,
        .rounding = {terms, raise_terms, margins},
    };
}
