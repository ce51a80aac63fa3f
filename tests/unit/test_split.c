/* SPDX-License-Identifier: MIT
 *
 * Catches: rows in both sets or in none, contexts torn apart, a split that the
 * seed does not decide, and look-ups that are off by one at range borders.
 */
#include "scratch.h"

#include "dump/npy.h"
#include "dump/split.h"

enum { CONTEXTS = 40, TOKENS = 1000 };

/* A dump of one column whose value is the row number; positions > 1 gives
 * contexts of that length. */
static struct dump *open_rows(int64_t tokens, int64_t positions)
{
    static float values[3000];
    const char *path = "z.npy";
    struct dump_options o = {.layout = LAYOUT_TOKENS_D};
    int64_t flat[] = {tokens, 1},
            stack[] = {tokens / positions, positions, 1, 1};
    struct dump *d;
    struct err e = {0};
    for (size_t i = 0; i < 3000; i++)
        values[i] = (float)i;
    if (positions > 1)
        o.layout = LAYOUT_CONTEXTS_POSITIONS_HEADS_DHEAD;
    assert_int_equal(npy_write(path, DTYPE_F32, positions > 1 ? stack : flat,
                               positions > 1 ? 4 : 2, values, &e),
                     0);
    assert_int_equal(dump_open(&d, &path, 1, &o, &e), 0);
    return d;
}

/* Which set each row is in, after checking that the ranges keep their rules:
 * 1 train, 2 test. */
static void mark(unsigned char *marks, const struct row_set *s,
                 unsigned char as)
{
    uint64_t total = 0;
    for (size_t i = 0; i < s->n; i++) {
        uint64_t rows = s->before[i + 1] - s->before[i];
        assert_true(rows > 0);
        assert_true(s->before[i] == total);
        assert_true(i == 0 ||
                    s->first[i - 1] + s->before[i] - s->before[i - 1] <
                        s->first[i]);
        for (uint64_t r = 0; r < rows; r++) {
            assert_int_equal(marks[s->first[i] + r], 0);
            marks[s->first[i] + r] = as;
        }
        total += rows;
    }
    assert_true(row_set_total(s) == total);
}

static void split_into(unsigned char *marks, const struct dump *d,
                       double held_out, uint64_t seed)
{
    struct row_set train, test;
    struct err e = {0};
    assert_int_equal(split_rows(&train, &test, d, held_out, seed, &e), 0);
    memset(marks, 0, dump_info(d)->tokens);
    mark(marks, &train, 1);
    mark(marks, &test, 2);
    assert_null(memchr(marks, 0, dump_info(d)->tokens));
    row_set_free(&train);
    row_set_free(&test);
    row_set_free(&test);
}

static size_t count_units(const unsigned char *marks, size_t unit, size_t n)
{
    size_t held_out = 0;
    for (size_t first = 0; first < n; first += unit) {
        for (size_t i = first; i < first + unit && i < n; i++)
            assert_int_equal(marks[i], marks[first]);
        held_out += marks[first] == 2;
    }
    return held_out;
}

static void whole_contexts_are_held_out(void **state)
{
    (void)state;
    unsigned char marks[TOKENS], again[TOKENS], other[TOKENS];
    struct dump *d = open_rows(TOKENS, 25);
    for (uint64_t seed = 0; seed < 20; seed++) {
        split_into(marks, d, 0.25, seed);
        assert_int_equal(count_units(marks, 25, TOKENS), 10);
    }
    split_into(marks, d, 0.25, 5);
    split_into(again, d, 0.25, 5);
    split_into(other, d, 0.25, 6);
    assert_memory_equal(marks, again, TOKENS);
    assert_memory_not_equal(marks, other, TOKENS);
    dump_close(&d);
}

static void blocks_stand_in_for_contexts(void **state)
{
    (void)state;
    unsigned char marks[3000];
    struct dump *d = open_rows(2600, 1);
    size_t short_one = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        split_into(marks, d, 0.3, seed);
        assert_int_equal(count_units(marks, 256, 2600), 3);
        short_one += marks[2599] == 2;
    }
    assert_true(short_one > 0 && short_one < 20);
    dump_close(&d);
}

static void edges_of_the_share(void **state)
{
    (void)state;
    struct row_set train, test;
    struct err e = {0};
    unsigned char marks[TOKENS];
    struct dump *d = open_rows(TOKENS, 25);
    split_into(marks, d, 0, 1);
    assert_int_equal(count_units(marks, 25, TOKENS), 0);
    /* Less than half a context is one all the same. */
    split_into(marks, d, 0.001, 1);
    assert_int_equal(count_units(marks, 25, TOKENS), 1);
    split_into(marks, d, 0.975, 1);
    assert_int_equal(count_units(marks, 25, TOKENS), CONTEXTS - 1);
    assert_refused(split_rows(&train, &test, d, 0.999, 1, &e), &e,
                   "holding out 0.999 of 40 contexts leaves none");
    dump_close(&d);
    /* A single context is cut into blocks, or nothing could be held out. */
    d = open_rows(TOKENS, TOKENS);
    assert_int_equal(dump_info(d)->contexts, 1);
    split_into(marks, d, 0.3, 1);
    assert_int_equal(count_units(marks, 256, TOKENS), 1);
    dump_close(&d);
    d = open_rows(200, 1);
    assert_refused(split_rows(&train, &test, d, 0.1, 1, &e), &e,
                   "1 blocks of 256 tokens leaves none");
    assert_int_equal(split_rows(&train, &test, d, 0, 1, &e), 0);
    assert_true(row_set_total(&train) == 200);
    assert_true(row_set_total(&test) == 0);
    row_set_free(&train);
    row_set_free(&test);
    dump_close(&d);
}

static void rows_are_found_and_read(void **state)
{
    (void)state;
    struct dump *d = open_rows(TOKENS, 25);
    struct row_set train, test;
    struct err e = {0};
    float values[TOKENS];
    assert_int_equal(split_rows(&train, &test, d, 0.4, 3, &e), 0);
    assert_true(test.n > 1);
    uint64_t total = row_set_total(&test), seen = 0;
    for (size_t r = 0; r < test.n; r++)
        for (uint64_t i = test.before[r]; i < test.before[r + 1]; i++, seen++) {
            uint64_t run, row = row_set_at(&test, i, &run);
            assert_true(row == test.first[r] + (i - test.before[r]));
            assert_true(run == test.before[r + 1] - i);
        }
    assert_true(seen == total);
    for (uint64_t first = 0; first <= total; first += 7) {
        size_t n = (size_t)(total - first);
        assert_int_equal(row_set_read(&test, d, 0, first, n, values, &e), 0);
        for (size_t i = 0; i < n; i++) {
            uint64_t run;
            assert_true(values[i] == (float)row_set_at(&test, first + i, &run));
        }
    }
    row_set_free(&train);
    row_set_free(&test);
    dump_close(&d);
}

/* Blocks of 256 at even distances over the whole set, gaps and all; no row
 * twice; all rows where there are no more. */
static void samples_are_spread(void **state)
{
    (void)state;
    struct dump *d = open_rows(2600, 25);
    struct row_set train, test, sample;
    struct err e = {0};
    unsigned char marks[3000] = {0};
    static float values[3000];
    assert_int_equal(split_rows(&train, &test, d, 0.3, 3, &e), 0);
    uint64_t total = row_set_total(&train), run;
    assert_true(total == 1825);
    assert_int_equal(row_set_sample(&sample, &train, 800, &e), 0);
    assert_true(row_set_total(&sample) == 768); /* three whole blocks */
    assert_int_equal(row_set_read(&sample, d, 0, 0, 768, values, &e), 0);
    for (uint64_t i = 0; i < 768; i++) {
        uint64_t at = total * (i / 256) / 3 + i % 256;
        uint64_t row = row_set_at(&train, at, &run);
        assert_true(row_set_at(&sample, i, &run) == row);
        assert_true(values[i] == (float)row);
        assert_int_equal(marks[row]++, 0);
    }
    row_set_free(&sample);
    for (uint64_t rows = total; rows < total + 2; rows++) {
        assert_int_equal(row_set_sample(&sample, &train, rows, &e), 0);
        assert_true(row_set_total(&sample) == total);
        for (uint64_t i = 0; i < total; i++)
            assert_true(row_set_at(&sample, i, &run) ==
                        row_set_at(&train, i, &run));
        row_set_free(&sample);
    }
    assert_int_equal(row_set_sample(&sample, &train, 3, &e), 0);
    assert_true(row_set_total(&sample) == 3);
    row_set_free(&sample);
    row_set_free(&train);
    row_set_free(&test);
    assert_int_equal(split_rows(&train, &test, d, 0, 3, &e), 0);
    assert_int_equal(row_set_sample(&sample, &test, 5, &e), 0);
    assert_true(row_set_total(&sample) == 0);
    row_set_free(&sample);
    row_set_free(&train);
    row_set_free(&test);
    dump_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_contexts_are_held_out),
        cmocka_unit_test(blocks_stand_in_for_contexts),
        cmocka_unit_test(edges_of_the_share),
        cmocka_unit_test(rows_are_found_and_read),
        cmocka_unit_test(samples_are_spread),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
