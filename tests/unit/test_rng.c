/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/rng.h"

/* The known answers that Random123 publishes for philox4x32-10. */
static void philox_gives_the_published_numbers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } rows[] = {
        {{0, 0, 0, 0},
         {0, 0},
         {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t out[4];
        rng_philox(out, rows[i].counter, rows[i].key);
        assert_memory_equal(out, rows[i].out, sizeof out);
    }
}

/* A resumed run continues the sequence from its index alone. */
static void a_sequence_can_be_entered_anywhere(void **state)
{
    (void)state;
    struct rng whole = rng_at(7, RNG_TEST, 3);
    uint32_t first[23];
    for (size_t i = 0; i < 23; i++)
        first[i] = rng_u32(&whole);
    for (size_t i = 0; i < 23; i++) {
        struct rng r = rng_at(7, RNG_TEST, 3);
        r.next = i;
        assert_int_equal(rng_u32(&r), first[i]);
    }
}

/* Seed, stream and lane each make another sequence; so does the upper half of
 * a 64-bit seed and of the index. */
static void sequences_do_not_share_numbers(void **state)
{
    (void)state;
    struct rng variants[] = {
        rng_at(1, RNG_TEST, 0),          rng_at(2, RNG_TEST, 0),
        rng_at(1, RNG_INIT, 0),          rng_at(1, RNG_TEST, 1),
        rng_at(1ull << 32, RNG_TEST, 0), rng_at(1, RNG_TEST, 0),
    };
    variants[5].next = 4ull << 32;
    enum { N = sizeof variants / sizeof *variants };
    uint64_t seen[N];
    for (size_t i = 0; i < N; i++) {
        seen[i] = (uint64_t)rng_u32(&variants[i]) << 32;
        seen[i] |= rng_u32(&variants[i]);
        for (size_t j = 0; j < i; j++)
            assert_true(seen[i] != seen[j]);
    }
}

/* 3·2^62 makes a plain remainder hit the lower third twice as often. */
static void below_is_not_biased(void **state)
{
    (void)state;
    struct rng r = rng_at(0, RNG_TEST, 0);
    const uint64_t bound = 3ull << 62;
    int lower = 0;
    enum { N = 20000 };
    for (int i = 0; i < N; i++) {
        uint64_t v = rng_below(&r, bound);
        assert_true(v < bound);
        lower += v < bound / 3;
    }
    /* Standard deviation 67; with the bias the count would be 10000. */
    assert_in_range(lower, N / 3 - 400, N / 3 + 400);
    assert_int_equal(rng_below(&r, 1), 0);
}

static void floats_and_normals_have_their_moments(void **state)
{
    (void)state;
    struct rng r = rng_at(5, RNG_TEST, 0);
    enum { N = 200000 };
    double sum = 0, sum_normal = 0, square = 0, fourth = 0;
    for (int i = 0; i < N; i++) {
        float u = rng_float(&r);
        assert_true(u >= 0 && u < 1);
        sum += (double)u;
        double x = (double)rng_normal(&r);
        assert_true(isfinite(x));
        sum_normal += x;
        square += x * x;
        fourth += x * x * x * x;
    }
    assert_true(fabs(sum / N - 0.5) < 0.004);
    assert_true(fabs(sum_normal / N) < 0.012);
    assert_true(fabs(square / N - 1) < 0.016);
    assert_true(fabs(fourth / N - 3) < 0.12);
}

static void a_permutation_holds_each_number_once(void **state)
{
    (void)state;
    enum { N = 1000 };
    static uint64_t p[N];
    static unsigned char seen[N];
    struct rng r = rng_at(1, RNG_TEST, 0);
    rng_permutation(&r, p, N);
    size_t fixed = 0;
    for (size_t i = 0; i < N; i++) {
        assert_true(p[i] < N);
        assert_int_equal(seen[p[i]]++, 0);
        fixed += p[i] == i;
    }
    assert_true(fixed < 10); /* one expected */
}

/* All orders of four appear equally often. */
static void permutations_are_uniform(void **state)
{
    (void)state;
    int counts[256] = {0}, orders = 0;
    struct rng r = rng_at(9, RNG_TEST, 0);
    for (int i = 0; i < 24000; i++) {
        uint64_t p[4];
        rng_permutation(&r, p, 4);
        counts[p[0] << 6 | p[1] << 4 | p[2] << 2 | p[3]]++;
    }
    for (int i = 0; i < 256; i++)
        if (counts[i] > 0) {
            orders++;
            /* Standard deviation 31. */
            assert_in_range(counts[i], 1000 - 160, 1000 + 160);
        }
    assert_int_equal(orders, 24);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_numbers),
        cmocka_unit_test(a_sequence_can_be_entered_anywhere),
        cmocka_unit_test(sequences_do_not_share_numbers),
        cmocka_unit_test(below_is_not_biased),
        cmocka_unit_test(floats_and_normals_have_their_moments),
        cmocka_unit_test(a_permutation_holds_each_number_once),
        cmocka_unit_test(permutations_are_uniform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
