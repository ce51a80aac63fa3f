/* SPDX-License-Identifier: MIT */
#include "tests/kernels/check.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void check_fail(struct check *c, const char *fmt, ...)
{
    va_list args;
    if (check_failed(c))
        return;
    va_start(args, fmt);
    vsnprintf(c->why, sizeof c->why, fmt, args);
    va_end(args);
}

void check_setting(struct check *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(c->setting, sizeof c->setting, fmt, args);
    va_end(args);
}

void check_memory(struct check *c)
{
    char why[sizeof c->why];
    if (!buffers_intact(why, sizeof why))
        check_fail(c, "%s", why);
}

/* FNV-1a */
void check_digest(struct check *c, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < n; i++)
        c->digest = (c->digest ^ at[i]) * 0x100000001b3u;
}

static bool near(double got, double want, double bound)
{
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got);
    if (isinf(want))
        return got == want;
    if (isinf(got))
        return fabs(want) + bound >= FLT_MAX && (got > 0) == (want > 0);
    return fabs(got - want) <= bound;
}

void check_near(struct check *c, const char *what, size_t i, double got,
                double want, double bound)
{
    /* The last bits of `want` and `bound` are rounded, too. */
    if (!near(got, want, bound * (1 + 0x1p-20)))
        check_fail(c, "%s[%zu] is %.9g (%a), not %.9g (%a): off by %.3g > %.3g",
                   what, i, got, got, want, want, fabs(got - want), bound);
}

static uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

void check_same(struct check *c, const char *what, size_t i, float got,
                float want)
{
    if (bits_of(got) == bits_of(want) || (isnan(got) && isnan(want)))
        return;
    check_fail(c, "%s[%zu] is %.9g (%08x), not %.9g (%08x)", what, i,
               (double)got, (unsigned)bits_of(got), (double)want,
               (unsigned)bits_of(want));
}

void sum_add(struct sum *s, double term)
{
    double total = s->high + term;
    if (fabs(s->high) >= fabs(term))
        s->low += (s->high - total) + term;
    else
        s->low += (term - total) + s->high;
    s->high = total;
    s->plain += term;
    s->magnitude += fabs(term);
}

void check_sum(struct check *c, const char *what, size_t i, double got,
               const struct sum *want, double bound)
{
    /* Corrections of infinities are NaN; subtracting `high` first keeps what
     * the sum is more exact than a double. */
    double total = isfinite(want->plain) ? want->high + want->low : want->plain;
    if (isfinite(want->plain) && isfinite(got) &&
        fabs((got - want->high) - want->low) <= bound)
        return;
    check_near(c, what, i, got, total, bound);
}

struct shape shape_pick(struct rng *r)
{
    static const size_t tiles[] = {4, 8, 16, 32, 64};
    size_t tile = tiles[rng_below(r, sizeof tiles / sizeof *tiles)];
    struct shape s = {.rows = 1 + rng_below(r, 3),
                      .n = fill_size(r, tile, 700)};
    s.stride = s.n + rng_below(r, 2) * rng_below(r, 20);
    return s;
}

float *shape_buffer(struct check *c, const char *name, enum buffer_use use,
                    const struct shape *s, enum fill f)
{
    const struct buffer_shape shape = {
        .rows = s->rows,
        .bytes = s->n * sizeof(float),
        .stride = s->stride * sizeof(float),
        .unit = sizeof(float),
    };
    float *at = buffer_get(name, use, &shape);
    for (size_t row = 0; row < s->rows; row++)
        fill_floats(at + row * s->stride, s->n, f, &c->rng);
    return at;
}

void *array_buffer(const char *name, enum buffer_use use, size_t n,
                   size_t bytes)
{
    const struct buffer_shape shape = {1, n * bytes, n * bytes, bytes};
    return buffer_get(name, use, &shape);
}
