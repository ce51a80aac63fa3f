/* SPDX-License-Identifier: MIT
 *
 * Bit arithmetic without branches, so that a compiler turns the loops into
 * vector code with nothing but SSE2. Magnitudes are compared as signed
 * integers: SSE2 has no unsigned comparison.
 *
 * f16: 1 sign, 5 exponent (bias 15), 10 fraction bits. f32: 1, 8 (bias 127),
 * 23. So a fraction moves by 13 bits and an exponent by 112.
 */
#include "kernels/portable/portable.h"

#include <string.h>

enum {
    F32_MIN_NORMAL = 0x00800000,
    F32_INF = 0x7f800000,
    F32_QUIET = 0x00400000,
    F16_MIN_NORMAL = 0x0400,
    F16_INF = 0x7c00,
    F16_QUIET = 0x0200,
    REBIAS = 112 << 23,
    F32_OF_F16_MIN = 113 << 23,  /* 2^-14, the smallest normal f16 */
    F32_OF_F16_OVER = 143 << 23, /* 2^16, above every finite f16 */
    ONE_HALF = 126 << 23,        /* 0.5f: its last fraction bit is 2^-24 */
    FINITE_BLOCK = 1024,
};

static float float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static uint16_t load_u16(const unsigned char *in, size_t i)
{
    uint16_t v;
    memcpy(&v, in + 2 * i, sizeof v);
    return v;
}

/* `a` where `choose` is 1, `b` where it is 0. Masks instead of `?:`, because
 * gcc would turn that into a jump around the float operations, which it may not
 * undo (they might raise an exception), and then finds no vectors. */
static int32_t either(int32_t choose, int32_t a, int32_t b)
{
    return (a & -choose) | (b & (choose - 1));
}

static uint32_t f32_of_f16(uint32_t h)
{
    int32_t a = (int32_t)(h & 0x7fff);
    int32_t wide = a << 13;
    int32_t normal = wide + REBIAS;
    /* inf and NaN: the largest exponent goes to the largest exponent. */
    int32_t special = wide + 2 * REBIAS;
    special |= either(a > F16_INF, F32_QUIET, 0);
    /* A subnormal is fraction × 2^-24: laid below 2^-14 and that taken off. */
    float raised = float_of((uint32_t)(wide + F32_OF_F16_MIN));
    int32_t small = (int32_t)bits_of(raised - float_of(F32_OF_F16_MIN));
    int32_t result = either(a < F16_MIN_NORMAL, small, normal);
    result = either(a >= F16_INF, special, result);
    return (uint32_t)result | (h & 0x8000) << 16;
}

static uint32_t f16_of_f32(uint32_t x)
{
    int32_t a = (int32_t)(x & 0x7fffffff);
    /* Half of the last kept bit, less one unless that bit is odd: ties go to
     * even. A carry runs into the exponent and, at the top, to infinity. */
    int32_t normal = (a - REBIAS + 0xfff + (a >> 13 & 1)) >> 13;
    /* Added to 0.5 the hardware rounds at 2^-24, the step of subnormals. */
    float lowered = float_of((uint32_t)a) + float_of(ONE_HALF);
    int32_t small = (int32_t)bits_of(lowered) - ONE_HALF;
    int32_t nan = F16_INF | F16_QUIET | (a >> 13 & 0x3ff);
    int32_t special = either(a > F32_INF, nan, F16_INF);
    int32_t result = either(a < F32_OF_F16_MIN, small, normal);
    result = either(a >= F32_OF_F16_OVER, special, result);
    return (uint32_t)result | (x >> 16 & 0x8000);
}

static uint32_t bf16_of_f32(uint32_t x)
{
    int32_t a = (int32_t)(x & 0x7fffffff);
    /* Unsigned: the largest NaNs, which are not kept, would overflow. */
    int32_t rounded = (int32_t)(((uint32_t)a + 0x7fff + (a >> 16 & 1)) >> 16);
    int32_t nan = (a | F32_QUIET) >> 16;
    int32_t result = a > F32_INF ? nan : rounded;
    result = a < F32_MIN_NORMAL ? 0 : result;
    return (uint32_t)result | (x >> 16 & 0x8000);
}

static void f16_to_f32(float *out, const void *in, size_t n)
{
    const unsigned char *bytes = in;
    for (size_t i = 0; i < n; i++)
        out[i] = float_of(f32_of_f16(load_u16(bytes, i)));
}

static void bf16_to_f32(float *out, const void *in, size_t n)
{
    const unsigned char *bytes = in;
    for (size_t i = 0; i < n; i++)
        out[i] = float_of((uint32_t)load_u16(bytes, i) << 16);
}

static void f32_to_f16(uint16_t *out, const float *in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint16_t)f16_of_f32(bits_of(in[i]));
}

static void f32_to_bf16(uint16_t *out, const float *in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint16_t)bf16_of_f32(bits_of(in[i]));
}

static int32_t all_finite(const float *x, size_t n)
{
    int32_t bad = 0;
    for (size_t i = 0; i < n; i++)
        bad |= (int32_t)(bits_of(x[i]) & 0x7fffffff) >= F32_INF;
    return !bad;
}

static size_t first_not_finite(const float *x, size_t n)
{
    size_t i = 0;
    while (i < n) {
        size_t block = n - i < FINITE_BLOCK ? n - i : FINITE_BLOCK;
        if (!all_finite(x + i, block))
            break;
        i += block;
    }
    while (i < n && (bits_of(x[i]) & 0x7fffffff) < F32_INF)
        i++;
    return i;
}

void portable_convert(struct kernels *k)
{
    k->f16_to_f32 = f16_to_f32;
    k->bf16_to_f32 = bf16_to_f32;
    k->f32_to_f16 = f32_to_f16;
    k->f32_to_bf16 = f32_to_bf16;
    k->first_not_finite = first_not_finite;
}
