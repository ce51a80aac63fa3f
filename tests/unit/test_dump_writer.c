/* SPDX-License-Identifier: MIT
 *
 * Catches: half a dump left behind, an old one lost, bad values written, and
 * seams between shards that lose rows.
 */
#include "dump_fixture.h"

#include <math.h>

/* More rows than a shard holds: rows and messages cross the seam. */
static void shards_join(void **state)
{
    (void)state;
    enum { SHARD = 131072, ROWS = SHARD + 3, STEP = 4096 };
    const struct dump_options o = {0};
    struct dump_info info = plain_info;
    static float rows[STEP];
    struct dump_writer *w;
    struct dump *d;
    struct err e = {0};
    info.layers = info.heads = info.d_head = 1;
    info.tokens = ROWS;
    info.contexts = 0;
    info.fold_value_biases = -1;
    assert_int_equal(dump_writer_open(&w, "long.dump", &info, false, &e), 0);
    for (size_t first = 0; first < ROWS; first += STEP) {
        size_t n = ROWS - first < STEP ? ROWS - first : STEP;
        for (size_t i = 0; i < n; i++)
            rows[i] = (float)(first + i);
        assert_int_equal(dump_writer_rows(w, 2, rows, n, &e), 0);
    }
    assert_int_equal(dump_writer_commit(&w, &e), 0);
    assert_int_equal(access("long.dump/layer02-00001.safetensors", F_OK), 0);
    assert_int_equal(open_one(&d, "long.dump", &o, &e), 0);
    assert_null(dump_tokens(d));
    assert_null(dump_contexts(d));
    assert_null(dump_vocab(d));
    assert_int_equal(dump_info(d)->fold_value_biases, -1);
    assert_int_equal(dump_read(d, 2, SHARD - 2, 5, rows, &e), 0);
    for (int i = 0; i < 5; i++)
        assert_true(rows[i] == (float)(SHARD - 2 + i));
    dump_close(&d);
}

static void the_writer_refuses_bad_values(void **state)
{
    (void)state;
    static const struct {
        enum dtype dtype;
        float value;
        const char *words;
    } cases[] = {
        {DTYPE_F32, NAN, "layer 3, row 4, column 6: nan as f32 is not finite"},
        {DTYPE_F16, INFINITY, "inf as f16 is not finite"},
        {DTYPE_F16, 65520, "65520 as f16 is too large"},
        {DTYPE_BF16, -NAN, "as bf16 is not finite"},
        {DTYPE_BF16, 3.4e38f, "as bf16 is too large"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dump_info info = plain_info;
        float rows[3 * WIDTH] = {0};
        struct err e = {0};
        info.dtype = cases[i].dtype;
        struct dump_writer *w = begin_dump("bad.dump", &info, false);
        assert_int_equal(dump_writer_rows(w, 3, rows, 3, &e), 0);
        rows[WIDTH + 6] = cases[i].value;
        assert_refused(dump_writer_rows(w, 3, rows, 3, &e), &e, cases[i].words);
        dump_writer_abort(&w);
        assert_int_not_equal(access("bad.dump", F_OK), 0);
    }
}

/* The row is counted over the pieces in which values are converted. */
static void bad_values_far_down_are_named(void **state)
{
    (void)state;
    enum { ROWS = 3000 };
    static float rows[ROWS * WIDTH];
    struct dump_info info = plain_info;
    struct dump_writer *w;
    struct err e = {0};
    info.tokens = 2 * ROWS;
    info.contexts = 0;
    assert_int_equal(dump_writer_open(&w, "far.dump", &info, false, &e), 0);
    assert_int_equal(dump_writer_rows(w, 2, rows, ROWS, &e), 0);
    rows[2345 * WIDTH + 3] = NAN;
    assert_refused(dump_writer_rows(w, 2, rows, ROWS, &e), &e,
                   "layer 2, row 5345, column 3:");
    dump_writer_abort(&w);
}

static void a_dump_appears_whole_or_not_at_all(void **state)
{
    (void)state;
    const struct dump_options o = {0};
    struct dump_info info = plain_info;
    struct dump_writer *w;
    struct dump *d;
    struct err e = {0};
    float rows[TOKENS * WIDTH] = {0};

    w = begin_dump("half.dump", &info, false);
    put_rows(w, &info, 7);
    dump_writer_abort(&w);
    assert_null(w);
    assert_int_not_equal(access("half.dump", F_OK), 0);
    assert_int_not_equal(access(".half.dump.partial", F_OK), 0);

    w = begin_dump("half.dump", &info, false);
    assert_int_equal(dump_writer_rows(w, 2, rows, TOKENS, &e), 0);
    assert_int_equal(dump_writer_rows(w, 3, rows, TOKENS - 1, &e), 0);
    assert_int_not_equal(dump_writer_commit(&w, &e), 0);
    assert_non_null(strstr(e.msg, "layer 3 has 19 of 20 rows"));
    assert_null(w);
    assert_int_not_equal(access("half.dump", F_OK), 0);
    assert_int_not_equal(access(".half.dump.partial", F_OK), 0);

    /* Contexts announced, never given. */
    assert_int_equal(dump_writer_open(&w, "half.dump", &info, false, &e), 0);
    put_rows(w, &info, TOKENS);
    assert_int_not_equal(dump_writer_commit(&w, &e), 0);
    assert_non_null(strstr(e.msg, "contexts are missing"));

    write_dump("old.dump", DTYPE_F32, false);
    assert_refused(dump_writer_open(&w, "old.dump", &info, false, &e), &e,
                   "exists");
    assert_null(w);
    w = begin_dump("old.dump", &info, true);
    dump_writer_abort(&w);
    assert_int_equal(open_one(&d, "old.dump", &o, &e), 0);
    check_rows(d, LAYERS, TOKENS);
    dump_close(&d);
    write_dump("old.dump", DTYPE_F16, true);
    assert_int_equal(open_one(&d, "old.dump", &o, &e), 0);
    assert_int_equal(dump_info(d)->dtype, DTYPE_F16);
    dump_close(&d);
}

static void the_writer_checks_tokens(void **state)
{
    (void)state;
    static const struct {
        int32_t id;
        int64_t offset; /* of context 2 */
        const char *words;
    } cases[] = {
        {-1, 10, "token 7 has the negative id -1"},
        {0, 4, "not ascending: context 1 goes from 5 to 4"},
        {0, 5, "not ascending"},
    };
    struct dump_writer *w;
    struct err e = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int32_t tokens[TOKENS] = {0};
        int64_t contexts[CONTEXTS + 1] = {0, 5, 10, 15, 20};
        tokens[7] = cases[i].id;
        contexts[2] = cases[i].offset;
        assert_int_equal(dump_writer_open(&w, "w.dump", &plain_info, false, &e),
                         0);
        assert_refused(dump_writer_tokens(w, tokens, contexts, &e), &e,
                       cases[i].words);
        dump_writer_abort(&w);
    }
    int32_t beyond[TOKENS] = {0};
    beyond[TOKENS - 1] = 4;
    assert_int_equal(dump_writer_open(&w, "w.dump", &plain_info, false, &e), 0);
    assert_int_equal(dump_writer_tokens(w, beyond, offsets, &e), 0);
    put_vocab(w);
    put_rows(w, &plain_info, TOKENS);
    assert_refused(dump_writer_commit(&w, &e), &e,
                   "token id 4, but the vocabulary has 4 tokens");
    struct dump_info none = plain_info;
    none.tokens = 0;
    assert_refused(dump_writer_open(&w, "w.dump", &none, false, &e), &e,
                   "at least one token");
    none = plain_info;
    none.model = "\xff";
    assert_refused(dump_writer_open(&w, "w.dump", &none, false, &e), &e,
                   "not UTF-8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_join),
        cmocka_unit_test(the_writer_refuses_bad_values),
        cmocka_unit_test(bad_values_far_down_are_named),
        cmocka_unit_test(a_dump_appears_whole_or_not_at_all),
        cmocka_unit_test(the_writer_checks_tokens),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
