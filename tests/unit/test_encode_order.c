/* SPDX-License-Identifier: MIT
 *
 * Rows on their way into the database: sorted by key within any memory, made by
 * a thread ahead of who takes them, and with the codes of heads as bits.
 */
#include <stdlib.h>

#include "base/rng.h"
#include "encode/ahead.h"
#include "encode/by_key.h"
#include "encode/head_codes.h"
#include "scratch.h"

static struct err e;

/* ---- by key ---- */

enum { KEYS = 700, TOKENS = 30000 };

static uint32_t key_of(uint32_t token)
{
    struct rng r = rng_at(3, RNG_TEST, token);
    uint64_t a = rng_below(&r, KEYS), b = rng_below(&r, KEYS);
    /* Rare ones in the middle, some without any, and one with very many. */
    return token % 3 == 0 ? 77 : (uint32_t)(a < b ? a : b) / 2 * 2;
}

/* With `most_ranges` at most; the order is that of (key, token) whatever they
 * are. */
static void check_sort(uint64_t memory, size_t least_ranges, size_t most_ranges)
{
    uint64_t counts[KEYS] = {0};
    struct by_key b;
    for (uint32_t t = 0; t < TOKENS; t++)
        counts[key_of(t)]++;
    assert_int_equal(by_key_init(&b, counts, KEYS, memory, "x", &e), 0);
    assert_in_range(b.n_ranges, least_ranges, most_ranges);
    for (uint32_t t = 0; t < TOKENS; t++) {
        struct by_key_entry entry = {key_of(t), t, (uint8_t)t};
        assert_int_equal(by_key_add(&b, entry, &e), 0);
    }
    static struct by_key_entry out[1000];
    struct by_key_entry last = {0};
    size_t n = 0, total = 0;
    do {
        assert_int_equal(by_key_take(&b, out, 1 + total % 1000, &n, &e), 0);
        for (size_t i = 0; i < n; i++, total++) {
            assert_int_equal(out[i].key, key_of(out[i].token));
            assert_int_equal(out[i].level, (uint8_t)out[i].token);
            assert_true(total == 0 || out[i].key > last.key ||
                        (out[i].key == last.key && out[i].token > last.token));
            last = out[i];
        }
    } while (n > 0);
    assert_int_equal(total, TOKENS);
    by_key_free(&b);
}

static void test_sort_within_memory(void **state)
{
    (void)state;
    check_sort(UINT64_MAX, 1, 1);
    check_sort((uint64_t)TOKENS * 5, 1, 1);
    check_sort((uint64_t)TOKENS * 5 - 1, 2, 3);
    check_sort((uint64_t)TOKENS, 5, 12);
    check_sort(0, 60, 256);
}

static void test_sort_nothing(void **state)
{
    (void)state;
    uint64_t counts[3] = {0};
    struct by_key b;
    struct by_key_entry out[4];
    size_t n = 7;
    assert_int_equal(by_key_init(&b, counts, 3, 0, "x", &e), 0);
    assert_int_equal(by_key_take(&b, out, 4, &n, &e), 0);
    assert_int_equal(n, 0);
    by_key_free(&b);
}

/* ---- ahead ---- */

struct numbers {
    uint32_t next, n, bad;
};

/* Fails at number `bad`, after handing out those before it. */
static int fill(void *ctx, void *rows, size_t max, size_t *n, struct err *err)
{
    struct numbers *x = ctx;
    uint32_t *out = rows;
    if (x->next == x->bad)
        return err_set(err, ERR_INPUT, "bad number %u", x->bad);
    for (*n = 0; *n < max && x->next < x->n && x->next < x->bad; (*n)++)
        out[*n] = x->next++;
    return 0;
}

static void take_all(uint32_t n, uint32_t bad, bool thread)
{
    struct numbers x = {0, n, bad};
    struct ahead a;
    uint32_t want = 0;
    const void *rows = NULL;
    size_t got = 0;
    int code;
    assert_int_equal(ahead_begin(&a, fill, &x, sizeof(uint32_t), thread, &e),
                     0);
    while ((code = ahead_next(&a, &rows, &got, &e)) == 0 && got > 0)
        for (size_t i = 0; i < got; i++)
            assert_int_equal(((const uint32_t *)rows)[i], want++);
    assert_int_equal(code, bad < n ? ERR_INPUT : 0);
    assert_int_equal(want, bad < n ? bad : n);
    if (bad < n)
        assert_string_equal(e.msg, "bad number 100000");
    ahead_end(&a);
}

static void test_ahead(void **state)
{
    (void)state;
    for (int thread = 0; thread < 2; thread++) {
        take_all(0, UINT32_MAX, thread);
        take_all(1, UINT32_MAX, thread);
        take_all(10 * AHEAD_ROWS + 5, UINT32_MAX, thread);
        take_all(200000, 100000, thread);
    }
}

/* Who takes may leave before the end. */
static void test_ahead_is_left(void **state)
{
    (void)state;
    for (int takes = 0; takes < 3; takes++) {
        struct numbers x = {0, UINT32_MAX, UINT32_MAX};
        struct ahead a;
        assert_int_equal(ahead_begin(&a, fill, &x, sizeof(uint32_t), true, &e),
                         0);
        for (int i = 0; i < takes; i++) {
            const void *rows;
            size_t n;
            assert_int_equal(ahead_next(&a, &rows, &n, &e), 0);
        }
        ahead_end(&a);
        ahead_end(&a);
    }
}

/* ---- codes of heads ---- */

enum { HEADS = 64, FEATURES = 5 };

/* The code of each head at a token. */
static uint32_t code_of(uint32_t token, uint32_t head)
{
    uint32_t code = (token * 7 + head * head) % (FEATURES + 1);
    return code < FEATURES ? code : CHUNK_NO_CODE;
}

/* Bits up to the last that an integer has. Token 2 is outside the sample. */
static void test_bits_of_64_heads(void **state)
{
    (void)state;
    bool in[] = {true, false};
    struct sample sample = {.in = in};
    uint32_t codes[3 * HEADS], context[] = {0, 0, 1};
    for (uint32_t i = 0; i < 3 * HEADS; i++)
        codes[i] = code_of(i / HEADS, i % HEADS);
    struct chunk chunk = {
        .n = 3, .sample = &sample, .context = context, .head_code = codes};
    struct head_codes h;
    assert_int_equal(head_codes_init(&h, HEADS, FEATURES, "x", &e), 0);
    assert_int_equal(head_codes_add(&h, &chunk, &e), 0);
    for (uint32_t t = 0; t < 2; t++) {
        assert_int_equal(head_codes_next(&h, &e), 0);
        for (uint32_t f = 0; f < FEATURES; f++)
            for (uint32_t i = 0; i < HEADS; i++)
                assert_int_equal(head_codes_of(&h, f) >> i & 1,
                                 code_of(t, i) == f);
    }
    assert_int_not_equal(head_codes_next(&h, &e), 0);
    head_codes_free(&h);
    assert_int_equal(head_codes_init(&h, HEADS + 1, FEATURES, "x", &e),
                     ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sort_within_memory),
        cmocka_unit_test(test_sort_nothing),
        cmocka_unit_test(test_ahead),
        cmocka_unit_test(test_ahead_is_left),
        cmocka_unit_test(test_bits_of_64_heads),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
