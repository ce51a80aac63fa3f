/* SPDX-License-Identifier: MIT */
#include "tests/kernels/amx_emulation.h"

#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tests/kernels/emulated.h"

/* Palette 1. */
enum { TILES = 8, MOST_ROWS = 16, ROW_BYTES = 64, PAIRS = ROW_BYTES / 4 };

/* The 64 bytes of LDTILECFG. */
struct configuration {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};
_Static_assert(sizeof(struct configuration) == 64, "LDTILECFG");

struct tile {
    char row[MOST_ROWS][ROW_BYTES];
};

static _Thread_local struct configuration current; /* palette 0: none */
static _Thread_local struct tile tiles[TILES];

/* The table's functions of the second compilation. */
void kernels_amx_emulated(struct kernels *k);

bool emulated_overlay(struct kernels *k)
{
    kernels_amx_emulated(k);
    return true;
}

bool emulated_is_idle(void)
{
    return current.palette == 0;
}

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "AMX emulation: %s\n", what);
    raise(SIGILL);
}

void emulated_loadconfig(const void *configuration)
{
    struct configuration c;
    memcpy(&c, configuration, sizeof c);
    require(c.palette <= 1, "a palette that does not exist");
    for (size_t i = 0; i < sizeof c.reserved; i++)
        require(c.reserved[i] == 0, "reserved bytes of the configuration");
    for (int t = 0; t < 16; t++) {
        require(c.rows[t] <= MOST_ROWS && c.row_bytes[t] <= ROW_BYTES,
                "a tile larger than a register");
        require((c.rows[t] == 0) == (c.row_bytes[t] == 0),
                "a tile of rows without bytes or of bytes without rows");
        require(t < TILES || c.rows[t] == 0, "a tile beyond the last");
    }
    current = c;
    memset(tiles, 0, sizeof tiles);
}

void emulated_release(void)
{
    memset(&current, 0, sizeof current);
    memset(tiles, 0, sizeof tiles);
}

static struct tile *configured(int t)
{
    require(current.palette == 1, "tiles used without a configuration");
    require(t >= 0 && t < TILES && current.rows[t] != 0,
            "a tile that is not configured");
    return &tiles[t];
}

void emulated_zero(int t)
{
    memset(configured(t), 0, sizeof *tiles);
}

/* What is beyond the configured rows and bytes becomes zero. */
void emulated_loadd(int t, const void *base, size_t stride)
{
    struct tile *tile = configured(t);
    memset(tile, 0, sizeof *tile);
    for (size_t r = 0; r < current.rows[t]; r++)
        memcpy(tile->row[r], (const char *)base + r * stride,
               current.row_bytes[t]);
}

void emulated_stored(int t, void *base, size_t stride)
{
    const struct tile *tile = configured(t);
    for (size_t r = 0; r < current.rows[t]; r++)
        memcpy((char *)base + r * stride, tile->row[r], current.row_bytes[t]);
}

/* DAZ and FTZ: subnormal operands and results are zeros of their sign. */
static inline float flushed(float x)
{
    return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x;
}

static inline float half_of_pair(uint32_t pair, int odd)
{
    uint32_t bits = odd ? pair & 0xffff0000 : pair << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return flushed(x);
}

/* Row by row: even and odd depths are summed apart, each product and sum
 * rounded once, and the two added to what is there at the end. */
void emulated_dpbf16ps(int sums, int a, int b)
{
    struct tile *out = configured(sums);
    const struct tile *ta = configured(a), *tb = configured(b);
    require(sums != a && sums != b && a != b, "a tile used twice");
    require(current.rows[a] == current.rows[sums] &&
                current.row_bytes[b] == current.row_bytes[sums] &&
                current.row_bytes[a] == 4 * current.rows[b] &&
                current.row_bytes[sums] % 4 == 0,
            "shapes of tiles do not fit");
    const int columns = current.row_bytes[sums] / 4;
    for (int r = 0; r < current.rows[sums]; r++) {
        float part[2][PAIRS] = {{0}}, sum[PAIRS];
        uint32_t x[PAIRS], w[PAIRS];
        memcpy(x, ta->row[r], sizeof x);
        memcpy(sum, out->row[r], sizeof sum);
        for (int j = 0; j < current.rows[b]; j++) {
            memcpy(w, tb->row[j], sizeof w);
            for (int odd = 0; odd < 2; odd++)
                for (int i = 0; i < PAIRS; i++)
                    part[odd][i] =
                        flushed(fmaf(half_of_pair(x[j], odd),
                                     half_of_pair(w[i], odd), part[odd][i]));
        }
        for (int i = 0; i < columns; i++) {
            float both = flushed(part[0][i] + part[1][i]);
            sum[i] = flushed(flushed(sum[i]) + both);
        }
        memcpy(out->row[r], sum, sizeof sum);
    }
    for (int r = current.rows[sums]; r < MOST_ROWS; r++)
        memset(out->row[r], 0, ROW_BYTES);
}
