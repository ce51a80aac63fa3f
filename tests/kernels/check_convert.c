/* SPDX-License-Identifier: MIT
 *
 * Conversions, bit for bit: against the portable kernels and against formulas
 * that know the formats only as sign · 2^exponent · fraction. Case 0 of each
 * takes all 65536 half-width numbers: to widen, or, to narrow, those numbers,
 * the ties between neighbours and what lies beside the ties.
 */
#include "tests/kernels/check.h"

#include <math.h>
#include <string.h>

enum {
    ALL = 1 << 16,
    TIES = 3 * ALL,
    MOST = 300,
    MOST_SEARCHED = 3000, /* more than the blocks of the portable search */
};

/* A half-width format: its fraction bits and least normal exponent. */
struct format {
    int fraction, least;
    uint16_t infinity;
    bool subnormals; /* if not, narrowing makes zeros of them */
};
static const struct format f16 = {10, -14, 0x7c00, true};
static const struct format bf16 = {7, -126, 0x7f80, false};

static uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static float from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* ---- the formulas ---- */

static uint32_t widened(const struct format *f, uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    const int fraction = half & ((1 << f->fraction) - 1);
    const int exponent = (half & 0x7fff) >> f->fraction;
    if ((half & 0x7fff) >= f->infinity) {
        uint32_t payload = (uint32_t)fraction << (23 - f->fraction);
        /* f16 is arithmetic and makes NaNs quiet; bf16 is a shift. */
        uint32_t quiet = fraction != 0 && f->subnormals ? 0x00400000 : 0;
        return sign | 0x7f800000 | payload | quiet;
    }
    double value = exponent == 0 ? ldexp(fraction, f->least - f->fraction)
                                 : ldexp(fraction + (1 << f->fraction),
                                         exponent - 1 + f->least - f->fraction);
    return sign | bits_of((float)value);
}

static uint16_t narrowed(const struct format *f, float x)
{
    const uint16_t sign = (uint16_t)(bits_of(x) >> 16 & 0x8000);
    const double a = fabs((double)x);
    if (isnan(x)) {
        uint32_t payload = (bits_of(x) & 0x7fffff) >> (23 - f->fraction);
        return (uint16_t)(sign | f->infinity | 1u << (f->fraction - 1) |
                          payload);
    }
    if (a == 0 || (!f->subnormals && a < ldexp(1, f->least)))
        return sign;
    int exponent;
    frexp(a, &exponent); /* a = [1/2, 1) · 2^exponent */
    exponent = exponent - 1 < f->least ? f->least : exponent - 1;
    /* rint rounds ties to even. A carry into the exponent is one of bits, too:
     * the hidden bit is added, not set. */
    double steps = isinf(a) ? 0 : rint(ldexp(a, f->fraction - exponent));
    double half = ldexp(exponent - f->least, f->fraction) + steps;
    if (isinf(a) || half >= f->infinity)
        return sign | f->infinity;
    return (uint16_t)(sign | (uint16_t)half);
}

/* ---- widening ---- */

static void check_widening(struct check *c, const struct format *f,
                           void (*tested)(float *, const void *, size_t),
                           void (*portable)(float *, const void *, size_t))
{
    const size_t n = c->number == 0 ? ALL : fill_size(&c->rng, 8, MOST);
    /* Bytes of a file: not even aligned to numbers. */
    const struct buffer_shape from = {1, 2 * n, 2 * n, 1};
    unsigned char *in = buffer_get("in", BUFFER_INPUT, &from);
    float *out = array_buffer("out", BUFFER_OUTPUT, n, sizeof *out);
    float *other = buffers_plain(n * sizeof *other);
    for (size_t i = 0; i < n; i++) {
        uint16_t half = (uint16_t)(n == ALL ? i : rng_u32(&c->rng));
        memcpy(in + 2 * i, &half, sizeof half);
    }
    check_setting(c, "n %zu", n);
    buffers_seal();
    tested(out, in, n);
    portable(other, in, n);
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, in + 2 * i, sizeof half);
        if (bits_of(out[i]) != widened(f, half) ||
            bits_of(out[i]) != bits_of(other[i]))
            check_fail(c, "%04x gives %08x, not %08x (portable: %08x)",
                       (unsigned)half, (unsigned)bits_of(out[i]),
                       (unsigned)widened(f, half), (unsigned)bits_of(other[i]));
    }
    check_digest(c, out, n * sizeof *out);
    check_memory(c);
}

void check_f16_to_f32(struct check *c)
{
    check_widening(c, &f16, c->k->f16_to_f32, c->portable->f16_to_f32);
}

void check_bf16_to_f32(struct check *c)
{
    check_widening(c, &bf16, c->k->bf16_to_f32, c->portable->bf16_to_f32);
}

/* ---- narrowing ---- */

/* Every number of the format, and each tie less a bit, and with one more. */
static void fill_ties(float *x, const struct format *f)
{
    for (uint32_t half = 0; half < ALL; half++) {
        uint32_t at = widened(f, (uint16_t)half);
        uint32_t next = widened(f, (uint16_t)(half + 1));
        uint32_t tie = at + (next - at) / 2;
        x[3 * half] = from_bits(at);
        x[3 * half + 1] = from_bits(tie);
        x[3 * half + 2] = from_bits(half & 0x4 ? tie - 1 : tie + 1);
    }
}

static void check_narrowing(struct check *c, const struct format *f,
                            void (*tested)(uint16_t *, const float *, size_t),
                            void (*portable)(uint16_t *, const float *, size_t))
{
    static const enum fill fills[] = {FILL_BITS, FILL_SPECIAL, FILL_NORMAL,
                                      FILL_SUBNORMAL};
    const size_t n = c->number == 0 ? TIES : fill_size(&c->rng, 8, MOST);
    const enum fill kind = fills[rng_below(&c->rng, 4)];
    float *in = array_buffer("in", BUFFER_INPUT, n, sizeof *in);
    uint16_t *out = array_buffer("out", BUFFER_OUTPUT, n, sizeof *out);
    uint16_t *other = buffers_plain(n * sizeof *other);
    if (n == TIES)
        fill_ties(in, f);
    else
        fill_floats(in, n, kind, &c->rng);
    check_setting(c, "n %zu, %s", n, n == TIES ? "ties" : fill_name(kind));
    buffers_seal();
    tested(out, in, n);
    portable(other, in, n);
    for (size_t i = 0; i < n; i++)
        if (out[i] != narrowed(f, in[i]) || out[i] != other[i])
            check_fail(c, "%08x gives %04x, not %04x (portable: %04x)",
                       (unsigned)bits_of(in[i]), (unsigned)out[i],
                       (unsigned)narrowed(f, in[i]), (unsigned)other[i]);
    check_digest(c, out, n * sizeof *out);
    check_memory(c);
}

void check_f32_to_f16(struct check *c)
{
    check_narrowing(c, &f16, c->k->f32_to_f16, c->portable->f32_to_f16);
}

void check_f32_to_bf16(struct check *c)
{
    check_narrowing(c, &bf16, c->k->f32_to_bf16, c->portable->f32_to_bf16);
}

/* ---- search ---- */

void check_first_not_finite(struct check *c)
{
    const size_t n = fill_size(&c->rng, 16, MOST_SEARCHED);
    const enum fill f = fill_pick(&c->rng, FILLS);
    float *x = array_buffer("x", BUFFER_INPUT, n, sizeof *x);
    fill_floats(x, n, f, &c->rng);
    check_setting(c, "n %zu, %s", n, fill_name(f));
    buffers_seal();
    size_t got = c->k->first_not_finite(x, n), want = 0;
    while (want < n && isfinite(x[want]))
        want++;
    if (got != want || got != c->portable->first_not_finite(x, n))
        check_fail(c, "%zu is found, not %zu", got, want);
    check_digest(c, &got, sizeof got);
    check_memory(c);
}

/* ---- speed ---- */

enum { NUMBERS = 16384 };

void bench_convert(const struct kernels *k, struct bench *b)
{
    float *x = bench_floats(b, NUMBERS);
    uint16_t *half = bench_memory(b, NUMBERS * sizeof *half);
    const double bytes = 6.0 * NUMBERS;
    volatile size_t sink = 0;
    for (bench_begin(b, "first_not_finite", BENCH_BYTES, 4.0 * NUMBERS);
         bench_again(b);)
        sink = k->first_not_finite(x, NUMBERS);
    for (bench_begin(b, "f32_to_f16", BENCH_BYTES, bytes); bench_again(b);)
        k->f32_to_f16(half, x, NUMBERS);
    for (bench_begin(b, "f16_to_f32", BENCH_BYTES, bytes); bench_again(b);)
        k->f16_to_f32(x, half, NUMBERS);
    for (bench_begin(b, "f32_to_bf16", BENCH_BYTES, bytes); bench_again(b);)
        k->f32_to_bf16(half, x, NUMBERS);
    for (bench_begin(b, "bf16_to_f32", BENCH_BYTES, bytes); bench_again(b);)
        k->bf16_to_f32(x, half, NUMBERS);
    (void)sink;
}
