/* SPDX-License-Identifier: MIT
 *
 * The corners of encoding that a round trip rarely visits: ties, rounding at
 * the ends of a scale, tables that grow.
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
#include "encode/examples.h"
#include "encode/levels.h"
#include "encode/quantiles.h"
#include "encode/silent.h"
#include "encode/statistics.h"
#include "encode/text_key.h"
#include "encode/token_choice.h"
#include "encode/windows.h"

static struct err e;

/* The bound of schema.sql, at random values and at both ends, for maxima from
 * the smallest subnormal to the largest float. */
static void test_levels(void **state)
{
    (void)state;
    struct rng r = rng_at(1, RNG_TEST, 0);
    const float maxima[] = {1e-45F, 1e-38F, 0.1F, 1, 254.9F, 3e38F};
    for (size_t i = 0; i < sizeof maxima / sizeof *maxima; i++) {
        double scale = levels_scale(maxima[i]);
        assert_int_equal(levels_of(maxima[i], scale), 255);
        for (int n = 0; n < 20000; n++) {
            float v = maxima[i] * rng_float(&r);
            if (v <= 0)
                continue;
            uint8_t level = levels_of(v, scale);
            double off = fabs((level - 0.5) * scale - (double)v);
            assert_true(level >= 1 && off <= 0.5 * scale * (1 + 1e-12));
        }
    }
    assert_int_equal(levels_of(1e-45F, levels_scale(1)), 1);
    assert_int_equal(levels_bin(1), 0);
    assert_int_equal(levels_bin(5), 0);
    assert_int_equal(levels_bin(6), 1);
    assert_int_equal(levels_bin(255), 50);
}

/* The list does not depend on the order of offers, ties included. */
static void test_best_is_a_total_order(void **state)
{
    (void)state;
    enum { OFFERS = 200, LIMIT = 9 };
    struct best first = {0};
    for (uint32_t round = 0; round < 20; round++) {
        struct best b;
        uint64_t order[OFFERS];
        struct rng r = rng_at(round, RNG_TEST, 0);
        rng_permutation(&r, order, OFFERS);
        assert_int_equal(best_init(&b, 2, LIMIT, &e), 0);
        for (int i = 0; i < OFFERS; i++) {
            uint32_t id = (uint32_t)order[i];
            best_offer(&b, 1,
                       (struct best_entry){id, id, (float)(id % 40),
                                           (float)(id % 80 / 40)});
        }
        size_t n;
        (void)best_list(&b, 0, &n);
        assert_int_equal(n, 0);
        const struct best_entry *list = best_list(&b, 1, &n);
        assert_int_equal(n, LIMIT);
        assert_int_equal(list[0].id, 79);
        assert_int_equal(list[1].id, 159);
        assert_int_equal(list[2].id, 39);
        if (round == 0) {
            first = b;
        } else {
            size_t ignored;
            assert_memory_equal(list, best_list(&first, 1, &ignored),
                                LIMIT * sizeof *list);
            best_free(&b);
        }
    }
    best_free(&first);
}

/* Of a key only the best stays, whatever came first, and a key that was pushed
 * out can come back stronger. */
static void test_best_of_a_key(void **state)
{
    (void)state;
    struct best b;
    assert_int_equal(best_init(&b, 1, 3, &e), 0);
    const struct best_entry offers[] = {
        {0, 7, 5, 0}, {1, 7, 4, 0},  {2, 7, 6, 0}, {3, 8, 1, 0},
        {4, 9, 2, 0}, {5, 10, 3, 0}, {6, 8, 4, 0}, {7, 8, 4, 0}};
    for (size_t i = 0; i < sizeof offers / sizeof *offers; i++)
        best_offer(&b, 0, offers[i]);
    size_t n;
    const struct best_entry *list = best_list(&b, 0, &n);
    assert_int_equal(n, 3);
    assert_int_equal(list[0].id, 2);
    assert_int_equal(list[1].id, 6);
    assert_int_equal(list[2].id, 5);
    best_free(&b);
}

/* Context 0 is a context like others; the first of equals stays. */
static void test_one_example_of_a_context(void **state)
{
    (void)state;
    struct examples x;
    assert_int_equal(examples_init(&x, 1, 5, &e), 0);
    const struct {
        uint32_t context;
        struct best_entry entry;
    } offers[] = {{0, {3, 3, 1, 1}},
                  {0, {4, 4, 2, 2}},
                  {0, {5, 5, 2, 2}},
                  {1, {9, 9, 2, 2}},
                  {2, {12, 12, 0.5F, 1}}};
    for (size_t i = 0; i < 5; i++)
        examples_offer(&x, 0, offers[i].context, offers[i].entry);
    examples_finish(&x);
    size_t n;
    const struct best_entry *list = best_list(&x.best, 0, &n);
    assert_int_equal(n, 3);
    assert_int_equal(list[0].id, 4);
    assert_int_equal(list[1].id, 9);
    assert_int_equal(list[2].id, 12);
    examples_free(&x);
}

/* Far more pairs than a table begins with; with little memory, runs in the file
 * that have to be joined. Values of which a double would lose a part. */
static void count_tokens(uint64_t memory, bool runs, struct token_count **pairs,
                         size_t *n)
{
    enum { FEATURES = 50, STRINGS = 400, ADDS = 60000 };
    static uint32_t count[FEATURES][STRINGS];
    struct token_counts t;
    struct team team = {2};
    struct rng r = rng_at(5, RNG_TEST, 0);
    memset(count, 0, sizeof count);
    assert_int_equal(token_counts_init(&t, 2, memory, "x", &e), 0);
    for (int i = 0; i < ADDS; i++) {
        uint32_t f = (uint32_t)rng_below(&r, FEATURES);
        uint32_t id = (uint32_t)rng_below(&r, STRINGS);
        float value = f == 7 ? 1e9F * rng_float(&r) + 1e-3F : (float)(f + id);
        count[f][id]++;
        token_counts_prefetch(&t, f >= 25, f, id);
        token_counts_add(&t, f >= 25, f, id, value);
    }
    assert_int_equal(token_counts_check(&t, &e), 0);
    assert_int_equal(t.parts[0].n_runs > 3, runs);
    token_counts_finish(&t, &team);
    uint64_t strings[FEATURES];
    double entropy[FEATURES];
    assert_int_equal(token_counts_strings(&t, strings, entropy, FEATURES, &e),
                     0);
    static const uint64_t occurrences[STRINGS]; /* all means are infinite */
    struct token_choice all = {FEATURES, STRINGS, STRINGS, occurrences};
    assert_int_equal(token_choice_make(pairs, n, &t, &all, &e), 0);
    size_t at = 0;
    for (uint32_t id = 0; id < STRINGS; id++)
        for (uint32_t f = 0; f < FEATURES; f++) {
            if (count[f][id] == 0)
                continue;
            strings[f]--;
            assert_true(at < *n);
            const struct token_count *pair = &(*pairs)[at++];
            assert_int_equal(pair->vocab, id);
            assert_int_equal(pair->feature, f);
            assert_int_equal(pair->count, count[f][id]);
            if (f == 7)
                continue;
            assert_true(pair->max == (float)(f + id));
            assert_true(pair->sum == (double)count[f][id] * (f + id));
        }
    assert_int_equal(at, *n);
    for (int f = 0; f < FEATURES; f++) {
        double sum = 0, bits = 0;
        for (int id = 0; id < STRINGS; id++)
            sum += count[f][id];
        for (int id = 0; id < STRINGS; id++)
            if (count[f][id] > 0)
                bits -= count[f][id] / sum * log2(count[f][id] / sum);
        assert_int_equal(strings[f], 0);
        assert_true(bits > 5 && fabs(entropy[f] - bits) < 1e-12 * bits);
    }
    token_counts_free(&t);
}

static void test_token_counts(void **state)
{
    (void)state;
    struct token_count *large, *small;
    size_t n_large, n_small;
    count_tokens(1 << 30, false, &large, &n_large);
    count_tokens(0, true, &small, &n_small);
    assert_int_equal(n_large, n_small);
    assert_memory_equal(large, small, n_large * sizeof *large);
    free(large);
    free(small);
}

/* Keeps a pair that is among the two first of its feature or of its string, by
 * count, by max or by mean over all occurrences, and no other. */
static void test_token_choice(void **state)
{
    (void)state;
    static const struct {
        uint32_t feature, vocab, count;
        float value;
        bool kept;
    } pairs[] = {
        {0, 0, 9, 1, true},  /* first by count */
        {0, 1, 8, 1, true},  /* second */
        {0, 2, 1, 9, true},  /* first by max */
        {0, 3, 2, 8, true},  /* second */
        {0, 4, 3, 2, false}, /* neither, and string 4 has better ones */
        {0, 5, 3, 3, true},  /* the only one of string 5 */
        {1, 4, 4, 5, true},  /* string 4 */
        {0, 6, 1, 2, true},  /* string 6 is rare: the highest mean */
        {2, 4, 5, 4, true},
        {3, 6, 2, 5, true}, /* string 6 has better ones, too */
        {4, 6, 3, 4, true},
    };
    static const uint64_t occurrences[] = {100, 100, 100, 100, 100, 100, 10};
    enum { PAIRS = sizeof pairs / sizeof *pairs };
    struct token_counts t;
    struct team team = {1};
    assert_int_equal(token_counts_init(&t, 1, 0, "x", &e), 0);
    for (size_t i = 0; i < PAIRS; i++)
        for (uint32_t c = 0; c < pairs[i].count; c++)
            token_counts_add(&t, 0, pairs[i].feature, pairs[i].vocab,
                             pairs[i].value);
    token_counts_finish(&t, &team);
    struct token_choice choice = {5, 7, 2, occurrences};
    struct token_count *kept;
    size_t n;
    assert_int_equal(token_choice_make(&kept, &n, &t, &choice, &e), 0);
    assert_int_equal(n, PAIRS - 1);
    for (size_t i = 0; i < n; i++)
        assert_false(kept[i].feature == 0 && kept[i].vocab == 4);
    free(kept);
    token_counts_free(&t);
}

/* Windows end with their context, join where they overlap, and have the reach
 * of their list. */
static void test_windows(void **state)
{
    (void)state;
    int64_t start[] = {0, 10, 100};
    struct sample s = {.contexts = 2, .start = start};
    struct best top, others;
    struct windows w;
    assert_int_equal(best_init(&top, 1, 4, &e), 0);
    assert_int_equal(best_init(&others, 2, 1, &e), 0);
    const uint32_t examples[] = {60, 8, 20, 23};
    for (int i = 0; i < 4; i++)
        best_offer(&top, 0,
                   (struct best_entry){examples[i], examples[i], 1, 1});
    best_offer(&others, 1, (struct best_entry){80, 80, 1, 1});
    const struct windows_of of[] = {{&top, 1, 5}, {&others, 2, 2}};
    assert_int_equal(windows_init(&w, of, 2, 1, &s, &e), 0);
    for (uint32_t t = 0; t < 100; t++) {
        bool in = (t >= 3 && t < 10) || (t >= 15 && t <= 28) ||
                  (t >= 55 && t <= 65) || (t >= 78 && t <= 82);
        assert_int_equal(windows_contain(&w, 0, t), in);
    }
    windows_free(&w);
    best_free(&top);
    best_free(&others);
}

/* Edges divide values that come in any order, over 100 doublings, into parts as
 * equal as bins of a 256th of the maximum allow. */
static void test_quantiles(void **state)
{
    (void)state;
    enum { VALUES = 4000, PARTS = 5 };
    static float values[VALUES];
    struct rng r = rng_at(8, RNG_TEST, 0);
    for (int spread = 0; spread < 3; spread++) {
        struct quantiles q;
        double edges[PARTS + 1];
        float max = 0;
        assert_int_equal(quantiles_init(&q, 2, &e), 0);
        for (int i = 0; i < VALUES; i++) {
            float u = rng_float(&r) + 1e-6F;
            /* Uniform, almost all in one bin, and all the same. */
            values[i] = spread == 0   ? u
                        : spread == 1 ? powf(u, 40) + 1e-30F
                                      : 0.75F;
            values[i] *= 1e-3F;
            max = fmaxf(max, values[i]);
            quantiles_add(&q, 1, values[i]);
        }
        quantiles_edges(&q, 1, max, edges, PARTS);
        assert_true(edges[0] == 0 && edges[PARTS] == (double)max);
        for (int p = 0; p < PARTS; p++) {
            int inside = 0, near = 0;
            for (int i = 0; i < VALUES; i++) {
                double v = (double)values[i], off = fabs(v - edges[p + 1]);
                inside += v > 0 && v <= edges[p + 1];
                near += off <= (double)max / 256;
            }
            assert_true(edges[p + 1] >= edges[p]);
            assert_true(abs(inside - VALUES * (p + 1) / PARTS) <= near);
        }
        quantiles_free(&q);
    }
}

/* Of what was drawn, just the tokens at which the feature is active are marked,
 * the first and the last among them. */
static void test_silent_draws(void **state)
{
    (void)state;
    enum { FEATURES = 40, OF = 60, LIMIT = 5 };
    struct silent s;
    assert_int_equal(silent_init(&s, FEATURES, OF, LIMIT, 9, &e), 0);
    int ends = 0;
    for (uint32_t f = 0; f < FEATURES; f++) {
        for (uint32_t t = 0; t < OF; t++)
            if (t % 2 == f % 2)
                silent_active(&s, f, t);
        for (size_t i = 0; i < s.draws; i++) {
            const struct silent_draw *d = &s.draw[f * s.draws + i];
            assert_true(d->token < OF);
            assert_int_equal(d->active, d->token % 2 == f % 2);
            ends += d->token == 0 || d->token == OF - 1;
        }
    }
    assert_true(ends > FEATURES / 2);
    silent_free(&s);
}

static void test_position_bins(void **state)
{
    (void)state;
    static const uint32_t firsts[] = {0, 1, 2, 4, 8, 16, 1U << 30, 1U << 31};
    static const int bins[] = {0, 1, 2, 3, 4, 5, 31, 32};
    for (size_t i = 0; i < sizeof bins / sizeof *bins; i++) {
        assert_int_equal(statistics_position_bin(firsts[i]), bins[i]);
        if (i > 0)
            assert_int_equal(statistics_position_bin(firsts[i] - 1),
                             bins[i] - 1);
    }
    assert_int_equal(statistics_position_bin(UINT32_MAX), 32);
}

/* The same 9 tokens are one text, also in another context; a tenth does not
 * count, and a text that begins its context is not one that goes on. */
static void test_text_keys(void **state)
{
    (void)state;
    const int32_t ids[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
                           7, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    assert_int_equal(text_key(ids, 0, 9), text_key(ids, 10, 19));
    assert_int_not_equal(text_key(ids, 0, 8), text_key(ids, 10, 18));
    assert_int_not_equal(text_key(ids, 1, 3), text_key(ids, 2, 3));
    assert_int_not_equal(text_key(NULL, 0, 3), text_key(NULL, 0, 13));
}

/* Empty contexts belong to no row. */
static void test_context_of_a_row(void **state)
{
    (void)state;
    int64_t start[] = {0, 4, 4, 4, 9};
    const struct sample s = {.contexts = 4, .start = start};
    for (uint64_t row = 0; row < 9; row++)
        assert_int_equal(sample_context(&s, row), row < 4 ? 0 : 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_best_is_a_total_order),
        cmocka_unit_test(test_best_of_a_key),
        cmocka_unit_test(test_one_example_of_a_context),
        cmocka_unit_test(test_token_counts),
        cmocka_unit_test(test_token_choice),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_silent_draws),
        cmocka_unit_test(test_position_bins),
        cmocka_unit_test(test_text_keys),
        cmocka_unit_test(test_context_of_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
