/* SPDX-License-Identifier: MIT */
#include "tests/kernels/fills.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static float from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

const char *fill_name(enum fill f)
{
    static const char *const names[FILLS] = {
        [FILL_NORMAL] = "normal",
        [FILL_ZERO] = "zero",
        [FILL_HUGE] = "huge",
        [FILL_CANCEL] = "cancel",
        [FILL_SUBNORMAL] = "subnormal",
        [FILL_EQUAL] = "equal",
        [FILL_WIDE] = "wide",
        [FILL_GRID] = "grid",
        [FILL_NAN] = "NaN",
        [FILL_INFINITY] = "infinity",
        [FILL_BITS] = "bits",
        [FILL_SPECIAL] = "special",
    };
    return names[f];
}

enum fill fill_pick(struct rng *r, enum fill end)
{
    if (rng_below(r, 3) == 0)
        return FILL_NORMAL;
    return (enum fill)rng_below(r, end);
}

static uint32_t sign(struct rng *r)
{
    return rng_u32(r) & 0x80000000u;
}

/* Ends of ranges and ties of the narrower formats, and NaNs of all kinds. */
static float special(struct rng *r)
{
    static const uint32_t bits[] = {
        0x00000000, 0x00000001, 0x007fffff, 0x00800000, 0x00800001,
        0x32ffffff, 0x33000000, 0x33000001, /* 2^-25: half the least f16 */
        0x33800000, 0x33bfffff, 0x33c00000, 0x387fc000, 0x387fe000,
        0x387fefff, 0x387ff000, 0x38800000, /* 2^-14: least normal f16 */
        0x3f800000, 0x3f801000, 0x3f802000, 0x3f803000, /* ties of f16 */
        0x3f808000, 0x3f810000, 0x3f818000,             /* and of bf16 */
        0x477fe000, 0x477fefff, 0x477ff000, 0x47800000, /* most of f16 */
        0x7f7f0000, 0x7f7f7fff, 0x7f7f8000, 0x7f7fffff, /* and of bf16 */
        0x7f800000, 0x7f800001, 0x7f801fff, 0x7f802000, 0x7f807fff,
        0x7fa00000, 0x7fbfffff, 0x7fc00000, 0x7fc00001, 0x7fffffff,
    };
    size_t i = rng_below(r, sizeof bits / sizeof *bits);
    return from_bits(bits[i] | sign(r));
}

float fill_float(enum fill f, struct rng *r)
{
    switch (f) {
    case FILL_ZERO:
        return from_bits(sign(r));
    case FILL_HUGE:
        return rng_below(r, 16) == 0 ? 1e15f : 1e-6f * rng_normal(r);
    case FILL_SUBNORMAL:
        return from_bits((rng_u32(r) & 0x00ffffff) | sign(r));
    case FILL_WIDE:
        return ldexpf(rng_normal(r), (int)rng_below(r, 81) - 40);
    case FILL_GRID:
        return ((float)rng_below(r, 9) - 4) / 4;
    case FILL_NAN:
        return rng_below(r, 4) == 0 ? NAN : rng_normal(r);
    case FILL_INFINITY:
        return rng_below(r, 4) == 0 ? INFINITY : rng_normal(r);
    case FILL_BITS:
        return from_bits(rng_u32(r));
    case FILL_SPECIAL:
        return special(r);
    default:
        return rng_normal(r);
    }
}

static void fill_cancelling(float *x, size_t n, struct rng *r)
{
    for (size_t i = 0; i < n; i++) {
        if (i % 2 == 0)
            x[i] = 1e4f * rng_normal(r);
        else
            x[i] = -x[i - 1] * (1 + 1e-6f * rng_float(r));
    }
}

static void put_one(float *x, size_t n, float value, struct rng *r)
{
    if (n > 0)
        x[rng_below(r, n)] = value;
}

void fill_floats(float *x, size_t n, enum fill f, struct rng *r)
{
    enum fill each = f;
    if (f == FILL_NAN || f == FILL_INFINITY)
        each = FILL_NORMAL;
    float same = rng_normal(r);
    for (size_t i = 0; i < n; i++)
        x[i] = f == FILL_EQUAL  ? same
               : f == FILL_HUGE ? 1e-6f * rng_normal(r)
                                : fill_float(each, r);
    if (f == FILL_CANCEL)
        fill_cancelling(x, n, r);
    if (f == FILL_HUGE)
        put_one(x, n, 1e15f, r);
    if (f == FILL_NAN)
        put_one(x, n, from_bits(0x7f800001 | (rng_u32(r) & 0x807fffff)), r);
    if (f == FILL_INFINITY)
        for (size_t some = 1 + rng_below(r, 2); some > 0; some--)
            put_one(x, n, from_bits(0x7f800000 | sign(r)), r);
}

size_t fill_size(struct rng *r, size_t tile, size_t most)
{
    const size_t edges[] = {
        0, 1, tile - 1, tile, tile + 1, 2 * tile + 3, 3, 7, 13, 31, 61, 127,
    };
    size_t size = rng_below(r, most + 1);
    if (rng_below(r, 2) == 0)
        size = edges[rng_below(r, sizeof edges / sizeof *edges)];
    return size < most ? size : most;
}
