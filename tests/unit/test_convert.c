/* SPDX-License-Identifier: MIT
 *
 * Catches: wrong rounding of ties, lost subnormals or signs, infinities that
 * become NaN, values above the largest that do not overflow, and a search for
 * non-finite values that misses the edges of its blocks.
 */
#include <math.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "kernels/kernels.h"

static uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* The definition of f16, by arithmetic in double. */
static double value_of_f16(uint16_t h)
{
    int exponent = h >> 10 & 31, fraction = h & 1023;
    double v = exponent == 0 ? ldexp(fraction, -24)
                             : ldexp(1024 + fraction, exponent - 25);
    if (exponent == 31)
        v = fraction == 0 ? INFINITY : NAN;
    return h & 0x8000 ? -v : v;
}

static uint16_t to_f16(float x)
{
    uint16_t h;
    kernels.f32_to_f16(&h, &x, 1);
    return h;
}

static uint16_t to_bf16(float x)
{
    uint16_t h;
    kernels.f32_to_bf16(&h, &x, 1);
    return h;
}

static void every_f16_widens_to_its_value(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        uint16_t in = (uint16_t)h;
        float out;
        kernels.f16_to_f32(&out, &in, 1);
        double expected = value_of_f16(in);
        if (isnan(expected))
            assert_true(isnan(out));
        else
            assert_int_equal(bits_of(out), bits_of((float)expected));
    }
}

static void every_f16_survives_the_round_trip(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        uint16_t in = (uint16_t)h, back;
        float wide;
        kernels.f16_to_f32(&wide, &in, 1);
        kernels.f32_to_f16(&back, &wide, 1);
        if (isnan(wide))
            in |= 0x0200; /* comes out quiet */
        assert_int_equal(back, in);
    }
}

/* Halfway between two neighbours goes to the even one, a hair to either side
 * to the nearer one; over all neighbours, subnormal and overflowing too. */
static void f16_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        double low = value_of_f16((uint16_t)h);
        double high = h == 0x7bff ? 65536 : value_of_f16((uint16_t)(h + 1));
        float middle = (float)((low + high) / 2);
        assert_int_equal(to_f16(middle), h + (h & 1));
        assert_int_equal(to_f16(nextafterf(middle, 0)), h);
        assert_int_equal(to_f16(nextafterf(middle, INFINITY)), h + 1);
        assert_int_equal(to_f16(-middle), 0x8000 | (h + (h & 1)));
    }
}

static void edges_of_f16(void **state)
{
    (void)state;
    assert_int_equal(to_f16(65504), 0x7bff);
    assert_int_equal(to_f16(65520), 0x7c00);
    assert_int_equal(to_f16(3e38f), 0x7c00);
    assert_int_equal(to_f16(-INFINITY), 0xfc00);
    assert_int_equal(to_f16(-0.0f), 0x8000);
    assert_int_equal(to_f16(1e-30f), 0);
    assert_int_equal(to_f16(float_of(1)), 0);
    assert_int_equal(to_f16(float_of(0x7f800001)), 0x7e00);
    assert_int_equal(to_f16(float_of(0xffffffff)), 0xffff);
}

static void edges_of_bf16(void **state)
{
    (void)state;
    assert_int_equal(to_bf16(1), 0x3f80);
    assert_int_equal(to_bf16(float_of(0x3f808000)), 0x3f80); /* tie, even */
    assert_int_equal(to_bf16(float_of(0x3f818000)), 0x3f82); /* tie, odd */
    assert_int_equal(to_bf16(float_of(0x3f808001)), 0x3f81);
    assert_int_equal(to_bf16(float_of(0xbf808001)), 0xbf81);
    assert_int_equal(to_bf16(float_of(0x7f7f7fff)), 0x7f7f);
    assert_int_equal(to_bf16(float_of(0x7f7f8000)), 0x7f80);
    assert_int_equal(to_bf16(-INFINITY), 0xff80);
    assert_int_equal(to_bf16(float_of(0x7f800001)), 0x7fc0);
    assert_int_equal(to_bf16(float_of(0xffffffff)), 0xffff);
    assert_int_equal(to_bf16(float_of(0x00800000)), 0x0080);
    assert_int_equal(to_bf16(float_of(0x007fffff)), 0);
    assert_int_equal(to_bf16(float_of(0x807fffff)), 0x8000);
}

static void every_bf16_widens_by_zeros(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        uint16_t in = (uint16_t)h;
        float out;
        kernels.bf16_to_f32(&out, &in, 1);
        assert_int_equal(bits_of(out), h << 16);
    }
}

/* Vector bodies and their remainders agree, from any address. */
static void lengths_and_alignments(void **state)
{
    (void)state;
    enum { N = 100 };
    struct rng r = rng_at(1, RNG_TEST, 0);
    unsigned char bytes[2 * N + 3];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)rng_below(&r, 256);
    for (size_t shift = 0; shift < 3; shift++)
        for (size_t n = 0; n <= N; n++) {
            float all[N], one, all_b[N];
            kernels.f16_to_f32(all, bytes + shift, n);
            kernels.bf16_to_f32(all_b, bytes + shift, n);
            for (size_t i = 0; i < n; i++) {
                kernels.f16_to_f32(&one, bytes + shift + 2 * i, 1);
                assert_memory_equal(&one, &all[i], sizeof one);
                kernels.bf16_to_f32(&one, bytes + shift + 2 * i, 1);
                assert_memory_equal(&one, &all_b[i], sizeof one);
            }
        }
}

static void random_floats_narrow_alike_in_any_number(void **state)
{
    (void)state;
    enum { N = 4096 };
    static float in[N];
    static uint16_t half[N], brain[N];
    struct rng r = rng_at(2, RNG_TEST, 0);
    for (size_t i = 0; i < N; i++)
        in[i] = float_of(rng_u32(&r));
    kernels.f32_to_f16(half, in, N);
    kernels.f32_to_bf16(brain, in, N);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(half[i], to_f16(in[i]));
        assert_int_equal(brain[i], to_bf16(in[i]));
    }
}

static void first_not_finite_is_found_anywhere(void **state)
{
    (void)state;
    enum { N = 2500 };
    static float x[N];
    static const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    assert_int_equal(kernels.first_not_finite(x, 0), 0);
    x[7] = 3.4e38f;
    x[8] = float_of(1);
    assert_int_equal(kernels.first_not_finite(x, N), N);
    for (size_t i = 0; i < N; i++) {
        x[i] = bad[i % 4];
        assert_int_equal(kernels.first_not_finite(x, N), i);
        assert_int_equal(kernels.first_not_finite(x, i), i);
        x[N - 1] = NAN;
        assert_int_equal(kernels.first_not_finite(x, N), i);
        x[i] = x[N - 1] = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_f16_widens_to_its_value),
        cmocka_unit_test(every_f16_survives_the_round_trip),
        cmocka_unit_test(f16_rounds_to_nearest_even),
        cmocka_unit_test(edges_of_f16),
        cmocka_unit_test(edges_of_bf16),
        cmocka_unit_test(every_bf16_widens_by_zeros),
        cmocka_unit_test(lengths_and_alignments),
        cmocka_unit_test(random_floats_narrow_alike_in_any_number),
        cmocka_unit_test(first_not_finite_is_found_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
