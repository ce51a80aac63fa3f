/* SPDX-License-Identifier: MIT
 *
 * What encoding refuses before it begins, and dumps that know less than ours:
 * no tokens, no contexts, no strings.
 */
#include <sqlite3.h>

#include "dump/npy.h"
#include "encode/encode.h"
#include "planted.h"

static struct err e;

static int encode(const char *dump_path, const struct dump_options *how,
                  const char *const *saes, size_t n_saes,
                  const struct encode_options *options)
{
    struct dump *dump;
    if (dump_open(&dump, &dump_path, 1, how, &e) != 0)
        fail_msg("%s", e.msg);
    struct encode_job job = {.dump = dump,
                             .saes = saes,
                             .n_saes = n_saes,
                             .options = options,
                             .team = team_make(2)};
    int code = encode_run(&job, &e);
    dump_close(&dump);
    return code;
}

static struct encode_options options_for(const char *output)
{
    return (struct encode_options){.output = output,
                                   .rows = 1000,
                                   .examples = 3,
                                   .head_examples = 2,
                                   .interval_examples = 2};
}

static int make_input(void **state)
{
    if (scratch_begin(state) != 0)
        return 1;
    planted_fill();
    planted_write_dump();
    planted_write_sae("good.sae", SAE_TOPK, "blocks.1.attn.hook_z", D);
    planted_write_sae("wide.sae", SAE_TOPK, "blocks.1.attn.hook_z", D + HEADS);
    planted_write_sae("far.sae", SAE_TOPK, "blocks.9.attn.hook_z", D);
    planted_write_sae("nowhere.sae", SAE_TOPK, "", D);
    if (mkdir("sub", 0777) != 0)
        return 1;
    planted_write_sae("sub/good.sae", SAE_STANDARD, "blocks.0.attn.hook_z", D);
    return 0;
}

/* The bad SAE comes second: it must be found before the first is encoded. */
static void refuse(const char *bad, const char *why)
{
    const char *saes[] = {"good.sae", bad};
    const struct dump_options none = {0};
    struct encode_options options = options_for("refused.db");
    assert_refused(encode("planted.dump", &none, saes, 2, &options), &e, why);
    assert_int_not_equal(access("refused.db", F_OK), 0);
    assert_int_not_equal(access(".refused.db.partial", F_OK), 0);
}

static void test_saes_that_do_not_fit(void **state)
{
    (void)state;
    refuse("wide.sae", "takes rows of width 15");
    refuse("far.sae", "is for layer 9");
    refuse("nowhere.sae", "--layer");
    refuse("sub/good.sae", "same name");
    refuse("missing.sae", "missing.sae");
}

static void test_layer_option(void **state)
{
    (void)state;
    const char *saes[] = {"nowhere.sae"};
    const struct dump_options none = {0};
    struct encode_options options = options_for("layer.db");
    options.layer = "one";
    assert_refused(encode("planted.dump", &none, saes, 1, &options), &e,
                   "--layer one");
    options.layer = "7";
    assert_refused(encode("planted.dump", &none, saes, 1, &options), &e,
                   "is for layer 7");
    options.layer = "1";
    assert_int_equal(encode("planted.dump", &none, saes, 1, &options), 0);
}

static void test_existing_output(void **state)
{
    (void)state;
    const char *saes[] = {"good.sae"};
    const struct dump_options none = {0};
    struct encode_options options = options_for("mine.txt");
    write_text("mine.txt", "a diary");
    assert_refused(encode("planted.dump", &none, saes, 1, &options), &e,
                   "exists");
    struct stat st;
    assert_int_equal(stat("mine.txt", &st), 0);
    assert_int_equal(st.st_size, 7);
}

static void test_broken_training_curve(void **state)
{
    (void)state;
    const char *saes[] = {"good.sae"};
    const struct dump_options none = {0};
    struct encode_options options = options_for("curve.db");
    write_text("good.sae/metrics.jsonl", "{\"fvu\": 1}\n");
    assert_refused(encode("planted.dump", &none, saes, 1, &options), &e,
                   "without 'step'");
    write_text("good.sae/metrics.jsonl", "{\"step\": 1}\n{\"step\": 1}\n");
    assert_refused(encode("planted.dump", &none, saes, 1, &options), &e,
                   "step 1 comes after step 1");
    assert_int_not_equal(access("curve.db", F_OK), 0);
    assert_int_equal(remove("good.sae/metrics.jsonl"), 0);
}

static int64_t number(const char *path, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *row;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &row, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(row), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(row, 0);
    (void)sqlite3_finalize(row);
    (void)sqlite3_close(db);
    return value;
}

/* A bare array: positions only, blocks of 256 rows for contexts. */
static void test_dump_without_tokens(void **state)
{
    (void)state;
    const int64_t shape[] = {TOKENS, HEADS, D_HEAD};
    assert_int_equal(npy_write("z.npy", DTYPE_F32, shape, 3, planted.z[1], &e),
                     0);
    const char *saes[] = {"good.sae"};
    const struct dump_options how = {.layout = LAYOUT_TOKENS_HEADS_DHEAD,
                                     .first_layer = 1};
    struct encode_options options = options_for("bare.db");
    assert_int_equal(encode("z.npy", &how, saes, 1, &options), 0);
    const char *db = "bare.db";
    assert_int_equal(number(db, "SELECT count(*) FROM token"), TOKENS);
    assert_int_equal(number(db, "SELECT count(vocab) FROM token"), 0);
    assert_int_equal(number(db, "SELECT count(*) FROM vocab"), 0);
    assert_int_equal(number(db, "SELECT count(*) FROM context"),
                     (TOKENS + 255) / 256);
    assert_int_equal(number(db, "SELECT context_source = 'blocks' FROM dump"),
                     1);
    assert_int_equal(number(db, "SELECT sample_tokens FROM dump"), 768);
    assert_int_equal(number(db, "SELECT count(strings) + count(entropy) FROM "
                                "feature"),
                     0);
    assert_int_equal(number(db, "SELECT count(*) FROM position_bin"), 9);
    assert_int_equal(number(db, "SELECT sum(tokens) FROM position_bin"),
                     TOKENS);
    assert_int_equal(number(db, "SELECT last FROM position_bin WHERE bin = 8"),
                     255);
    assert_int_equal(number(db, "SELECT count(*) FROM document_group"), 0);
    assert_int_equal(number(db, "SELECT max(tokens = fires AND examples = 2) "
                                "FROM example_set JOIN feature USING "
                                "(sae, feature) WHERE kind = 'random' AND "
                                "fires >= 2"),
                     1);
    assert_true(number(db, "SELECT count(*) FROM top_tokens_of_feature") > M);
    assert_int_equal(number(db, "SELECT count(*) FROM token_feature"), 0);
}

/* Ids without strings: the ids that occur, named by number. */
static void test_dump_without_strings(void **state)
{
    (void)state;
    const int64_t ids_shape[] = {TOKENS};
    assert_int_equal(
        npy_write("ids.npy", DTYPE_I32, ids_shape, 1, planted.tokens, &e), 0);
    const char *saes[] = {"good.sae"};
    const struct dump_options how = {.layout = LAYOUT_TOKENS_HEADS_DHEAD,
                                     .first_layer = 1,
                                     .token_ids = "ids.npy"};
    struct encode_options options = options_for("ids.db");
    assert_int_equal(encode("z.npy", &how, saes, 1, &options), 0);
    assert_int_equal(number("ids.db", "SELECT has_strings FROM dump"), 0);
    assert_int_equal(
        number("ids.db", "SELECT text = 'token 7' FROM vocab WHERE id = 7"), 1);
    assert_int_equal(number("ids.db", "SELECT sum(count) FROM vocab"), TOKENS);
}

/* The sets are there, with their sizes, but nothing of them. */
static void test_no_random_examples(void **state)
{
    (void)state;
    const char *saes[] = {"good.sae"};
    const struct dump_options none = {0};
    struct encode_options options = options_for("top.db");
    options.interval_examples = 0;
    assert_int_equal(encode("planted.dump", &none, saes, 1, &options), 0);
    assert_int_equal(number("top.db", "SELECT count(*) FROM example WHERE "
                                      "kind <> 'top'"),
                     0);
    assert_true(number("top.db", "SELECT sum(tokens) FROM example_set WHERE "
                                 "kind = 'silent'") > TOKENS);
}

/* Fewer rows than the smallest context still keep one context. */
static void test_smallest_sample(void **state)
{
    (void)state;
    const char *saes[] = {"good.sae"};
    const struct dump_options none = {0};
    struct encode_options options = options_for("least.db");
    options.rows = 0;
    assert_int_equal(encode("planted.dump", &none, saes, 1, &options), 0);
    assert_int_equal(number("least.db", "SELECT sample_contexts FROM dump"), 1);
    options = options_for("all.db");
    options.rows = TOKENS;
    assert_int_equal(encode("planted.dump", &none, saes, 1, &options), 0);
    assert_int_equal(number("all.db", "SELECT sample_tokens FROM dump"),
                     TOKENS);
}

static void test_estimate_writes_nothing(void **state)
{
    (void)state;
    struct dump *dump;
    const char *path = "planted.dump", *saes[] = {"good.sae"};
    const struct dump_options none = {0};
    struct encode_options options = options_for("guess.db");
    assert_int_equal(dump_open(&dump, &path, 1, &none, &e), 0);
    struct encode_job job = {.dump = dump,
                             .saes = saes,
                             .n_saes = 1,
                             .options = &options,
                             .team = team_make(1)};
    struct encode_estimate x;
    assert_int_equal(encode_estimate(&x, &job, &e), 0);
    dump_close(&dump);
    assert_true(x.activations > 4 * 900.0 && x.activations <= 6 * 1000.0);
    assert_true(x.seconds > 0 && x.disk_bytes > 1e5 && x.memory_bytes > 1e5);
    assert_int_not_equal(access("guess.db", F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_saes_that_do_not_fit),
        cmocka_unit_test(test_layer_option),
        cmocka_unit_test(test_existing_output),
        cmocka_unit_test(test_broken_training_curve),
        cmocka_unit_test(test_dump_without_tokens),
        cmocka_unit_test(test_dump_without_strings),
        cmocka_unit_test(test_no_random_examples),
        cmocka_unit_test(test_smallest_sample),
        cmocka_unit_test(test_estimate_writes_nothing),
    };
    return cmocka_run_group_tests(tests, make_input, scratch_end);
}
