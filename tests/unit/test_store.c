/* SPDX-License-Identifier: MIT
 *
 * The database as a file: what it refuses, that it appears whole or not at
 * all, that text stays data, and that the views say what their comments
 * promise, without scans.
 */
#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include "scratch.h"
#include "store/database.h"
#include "store/summary.h"
#include "store/text.h"
#include "store/writer.h"

static struct err e;

/* ---- a small database by hand ---- */

static const char *const words[] = {
    "Once", " Lily", " ran", "\n", "\xf0\x9f", "'); DROP TABLE token; --"};
enum { WORDS = sizeof words / sizeof *words, CONTEXT = 12, TOKENS = 24 };

static void put_dump(struct store_writer *w)
{
    struct store_dump d = {.name = "d.dump",
                           .model = "m",
                           .fingerprint = "00",
                           .layers = 1,
                           .heads = 2,
                           .d_head = 4,
                           .dtype = "f32",
                           .bos = "never",
                           .fold_value_biases = -1,
                           .tokens = TOKENS,
                           .contexts = 2,
                           .contexts_known = true,
                           .has_tokens = true,
                           .has_strings = true,
                           .sample_limit = TOKENS,
                           .sample_contexts = 2,
                           .sample_tokens = TOKENS};
    assert_int_equal(store_writer_dump(w, &d, &e), 0);
    for (int c = 0; c < 2; c++) {
        struct store_context row = {.id = c,
                                    .dump = 1,
                                    .document_group = -1,
                                    .first_token = c * CONTEXT,
                                    .tokens = CONTEXT,
                                    .sampled = true};
        assert_int_equal(store_writer_context(w, &row, &e), 0);
    }
    for (int id = 0; id < WORDS; id++) {
        assert_int_equal(store_writer_vocab(w, id, words[id], strlen(words[id]),
                                            TOKENS / WORDS, &e),
                         0);
        assert_int_equal(store_writer_vocab_use(w, 1, id, TOKENS / WORDS, &e),
                         0);
    }
    for (int t = 0; t < TOKENS; t++)
        assert_int_equal(
            store_writer_token(w, t, t / CONTEXT, t % CONTEXT, t % WORDS, &e),
            0);
}

static void put_features(struct store_writer *w)
{
    const struct store_feature live = {0, 4, 4.0 / TOKENS, 5.1, 3, 0.02, 1,
                                       0, 1, 0.75};
    const struct store_feature dead = {
        1,           0,  0,           (double)NAN, (double)NAN,
        (double)NAN, -1, (double)NAN, -1,          (double)NAN};
    const struct store_feature_head shares[] = {{0, 0, 0.5, 0.25},
                                                {0, 1, 0.5, 0.75},
                                                {1, 0, 0.5, (double)NAN},
                                                {1, 1, 0.5, (double)NAN}};
    const struct store_head heads[] = {
        {0, "L0H0", 0, 0.25, (double)NAN, 0, (double)NAN},
        {1, "L0H1", 1, 0.5, (double)NAN, 4, 0}};
    assert_int_equal(store_writer_head(w, &heads[0], &e), 0);
    assert_int_equal(store_writer_head(w, &heads[1], &e), 0);
    assert_int_equal(store_writer_feature(w, &live, &e), 0);
    assert_int_equal(store_writer_feature(w, &dead, &e), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(store_writer_feature_head(w, &shares[i], &e), 0);
}

typedef int put_fn(struct store_writer *w, const struct store_source *rows,
                   struct err *e);

/* Rows of a bulk table, given in one piece. */
static int put(struct store_writer *w, put_fn *table, const void *rows,
               size_t n)
{
    struct store_array array = {rows, n};
    struct store_source source = {store_array_next, &array};
    return table(w, &source, &e);
}

/* Feature 0 is active at " Lily", tokens 1, 7, 13, 19. */
static void put_rows(struct store_writer *w)
{
    struct store_activation a[4];
    for (uint32_t i = 0; i < 4; i++)
        a[i] = (struct store_activation){
            .token = 1 + 6 * i, .level = (uint8_t)(255 - i), .heads = 1 << 1};
    assert_int_equal(put(w, store_writer_by_token, a, 4), 0);
    assert_int_equal(put(w, store_writer_by_feature, a, 4), 0);
    assert_int_equal(put(w, store_writer_around_examples, a, 4), 0);
    assert_int_equal(store_writer_histogram(w, 0, 50, 4, &e), 0);
    struct store_example_set set = {0, STORE_EXAMPLE_TOP, 1, 0, 5.1, 4, 2};
    struct store_example first = {0, STORE_EXAMPLE_TOP, 1, 1, 7, 5.1};
    struct store_example second = {0, STORE_EXAMPLE_TOP, 1, 2, 13, 5.0};
    assert_int_equal(store_writer_example_set(w, &set, &e), 0);
    assert_int_equal(store_writer_example(w, &first, &e), 0);
    assert_int_equal(store_writer_example(w, &second, &e), 0);
    struct store_head_example h = {0, 1, 1, 19, 2.5, 200};
    assert_int_equal(put(w, store_writer_head_examples, &h, 1), 0);
    struct store_token_feature t = {1, 0, 4, 5.1, 3};
    assert_int_equal(put(w, store_writer_token_features, &t, 1), 0);
    assert_int_equal(store_writer_metric(w, "fvu", 10, 0.5, &e), 0);
}

static void begin_sae(struct store_writer *w, int64_t id, const char *name)
{
    struct store_sae s = {.id = id,
                          .dump = 1,
                          .name = name,
                          .architecture = "topk",
                          .d_in = 8,
                          .d_sae = 2,
                          .heads = 2,
                          .fingerprint = "00",
                          .options = "{}",
                          .held_out_fvu = (double)NAN,
                          .held_out_l0 = (double)NAN,
                          .held_out_dead = (double)NAN,
                          .tokens = TOKENS,
                          .fvu = 0.125,
                          .l0 = 4.0 / TOKENS,
                          .dead = 1,
                          .activations = 4};
    assert_int_equal(store_writer_begin_sae(w, &s, &e), 0);
}

static struct store_writer *begin(const char *path, bool force)
{
    struct store_writer *w;
    if (store_writer_open(&w, path, force, &e) != 0)
        fail_msg("%s", e.msg);
    put_dump(w);
    assert_int_equal(store_writer_end_dump(w, &e), 0);
    begin_sae(w, 1, "odd\nname");
    put_features(w);
    put_rows(w);
    assert_int_equal(store_writer_end_sae(w, &e), 0);
    return w;
}

static int make_database(void **state)
{
    if (scratch_begin(state) != 0)
        return 1;
    struct store_writer *w = begin("small.db", false);
    return store_writer_commit(&w, &e);
}

/* Rows of a query as "a|b\nc|d\n". */
static char answer[4096];

static int append_row(void *ctx, int n, char **values, char **names)
{
    (void)ctx;
    (void)names;
    for (int c = 0; c < n; c++) {
        size_t used = strlen(answer);
        (void)snprintf(answer + used, sizeof answer - used, "%s%c",
                       values[c] == NULL ? "NULL" : values[c],
                       c + 1 < n ? '|' : '\n');
    }
    return 0;
}

static const char *ask(const char *sql)
{
    sqlite3 *db;
    char *problem = NULL;
    answer[0] = '\0';
    assert_int_equal(store_open_read(&db, "small.db", &e), 0);
    if (sqlite3_exec(db, sql, append_row, NULL, &problem) != SQLITE_OK)
        fail_msg("%s: %s", sql, problem);
    (void)sqlite3_close(db);
    return answer;
}

/* ---- tests ---- */

static void test_database_is_sound(void **state)
{
    (void)state;
    assert_string_equal(ask("PRAGMA integrity_check"), "ok\n");
    assert_string_equal(ask("PRAGMA foreign_key_check"), "");
    assert_string_equal(ask("SELECT count(*) FROM token"), "24\n");
    assert_string_equal(ask("SELECT fold_value_biases, d_model FROM dump"),
                        "NULL|NULL\n");
    assert_string_equal(ask("SELECT max, strings, top_head FROM feature "
                            "WHERE feature = 1"),
                        "NULL|NULL|NULL\n");
}

static void test_views(void **state)
{
    (void)state;
    assert_string_equal(
        ask("SELECT before, text, after, value FROM top_tokens_of_feature "
            "WHERE layer = 0 AND feature = 0"),
        "Once Lily ran\n\\xF0\\x9F'); DROP TABLE token; --Once| Lily|"
        " ran\n\\xF0\\x9F'); DROP TABLE token; --|5.1\n"
        "Once| Lily| ran\n\\xF0\\x9F'); DROP TABLE token; --Once Lily ran\n|"
        "5.0\n");
    assert_string_equal(
        ask("SELECT text, contribution, value FROM top_tokens_through_head "
            "WHERE layer = 0 AND feature = 0 AND head = 1"),
        " Lily|2.5|3.99\n");
    assert_string_equal(ask("SELECT layer, feature, max, share FROM "
                            "features_of_token WHERE text = ' Lily'"),
                        "0|0|5.1|1.0\n");
    assert_string_equal(ask("SELECT text, count FROM strings_of_feature "
                            "WHERE sae = 1 AND feature = 0"),
                        " Lily|4\n");
    assert_string_equal(ask("SELECT feature, data_share FROM features_of_head "
                            "WHERE head_name = 'L0H1' LIMIT 1"),
                        "0|0.75\n");
    assert_string_equal(ask("SELECT token FROM tokens_of_head_code WHERE "
                            "head_name = 'L0H1' AND feature = 0"),
                        "1\n7\n13\n19\n");
    assert_string_equal(
        ask("SELECT feature, value FROM features_at_token WHERE token = 1"),
        "0|5.09\n");
    assert_string_equal(ask("SELECT token, level FROM tokens_of_feature "
                            "WHERE sae = 1 AND feature = 0"),
                        "1|255\n7|254\n13|253\n19|252\n");
}

/* The usual questions must go by key: a scan of anything but the few SAEs and
 * heads would take seconds on a real database. */
static void test_views_do_not_scan(void **state)
{
    (void)state;
    static const char *const questions[] = {
        "SELECT * FROM top_tokens_of_feature WHERE layer = 2 AND feature = 7",
        "SELECT * FROM top_tokens_of_feature WHERE sae = 2 AND feature = 7",
        "SELECT * FROM top_tokens_through_head WHERE layer = 2 AND "
        "feature = 7 AND head = 3",
        "SELECT * FROM features_of_token WHERE text = ' Lily'",
        "SELECT * FROM strings_of_feature WHERE layer = 2 AND feature = 7",
        "SELECT * FROM features_of_head WHERE head_name = 'L2H3'",
        "SELECT * FROM tokens_of_head_code WHERE head_name = 'L2H3' AND "
        "feature = 7",
        "SELECT * FROM features_at_token WHERE token = 7",
        "SELECT * FROM head_code WHERE token = 7",
        "SELECT * FROM tokens_of_feature WHERE layer = 2 AND feature = 7",
        "SELECT * FROM examples_of_feature WHERE layer = 2 AND feature = 7",
        "SELECT * FROM neighbours_of_feature WHERE layer = 2 AND feature = 7",
        "SELECT * FROM features_that_fire_together WHERE layer = 2 AND "
        "feature = 7",
        "SELECT * FROM logits_of_feature WHERE layer = 2 AND feature = 7",
        "SELECT * FROM codes_of_head WHERE head_name = 'L2H3'",
    };
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        char sql[256];
        (void)snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", questions[i]);
        const char *plan = ask(sql);
        for (const char *at = plan; (at = strstr(at, "SCAN ")) != NULL; at++)
            if (strncmp(at, "SCAN s", 6) != 0 &&
                strncmp(at, "SCAN h", 6) != 0 &&
                strncmp(at, "SCAN (subquery", 14) != 0)
                fail_msg("%s\n%s", questions[i], plan);
    }
}

static void test_summary(void **state)
{
    (void)state;
    char text[2048] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    json_t *report = json_object();
    assert_int_equal(store_summary_print(out, "small.db", report, &e), 0);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "odd?name"));
    assert_null(strstr(text, "odd\n"));
    assert_non_null(strstr(text, "0.125"));
    json_t *sae = json_array_get(json_object_get(report, "saes"), 0);
    assert_int_equal(json_integer_value(json_object_get(sae, "dead")), 1);
    assert_true(json_is_null(json_object_get(sae, "held_out_fvu")));
    assert_true(fabs(json_real_value(json_object_get(sae, "median_density")) -
                     4.0 / TOKENS) < 1e-12);
    json_decref(report);
}

static void refuse(const char *path, const char *why)
{
    assert_refused(store_summary_print(NULL, path, NULL, &e), &e, why);
}

static void test_foreign_files_are_refused(void **state)
{
    (void)state;
    sqlite3 *db;
    assert_int_equal(sqlite3_open("other.db", &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "CREATE TABLE sae (id)", NULL, NULL, NULL), 0);
    (void)sqlite3_close(db);
    refuse("other.db", "not one of headscope");
    assert_int_equal(sqlite3_open("newer.db", &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "PRAGMA application_id = 0x68736370;"
                                  "PRAGMA user_version = 99",
                                  NULL, NULL, NULL),
                     0);
    (void)sqlite3_close(db);
    refuse("newer.db", "schema version 99");
    char garbage[4096];
    memset(garbage, 'x', sizeof garbage);
    write_bytes("garbage.db", garbage, sizeof garbage);
    refuse("garbage.db", "no SQLite database");
    write_text("empty.db", "");
    refuse("empty.db", "not one of headscope");
    refuse("missing.db", "cannot open missing.db");
    refuse(".", "not a regular file");
    refuse(":memory:", "cannot open :memory:");
}

/* Damage is an error value, wherever it sits. */
static void test_truncated_file(void **state)
{
    (void)state;
    FILE *f = fopen("small.db", "rb");
    assert_non_null(f);
    static char whole[1 << 20];
    size_t size = fread(whole, 1, sizeof whole, f);
    (void)fclose(f);
    for (size_t part = 1; part < 8; part++) {
        write_bytes("cut.db", whole, size * part / 8);
        assert_int_not_equal(store_summary_print(NULL, "cut.db", NULL, &e), 0);
    }
}

static void test_existing_output(void **state)
{
    (void)state;
    struct store_writer *w;
    assert_refused(store_writer_open(&w, "small.db", false, &e), &e, "exists");
    assert_null(w);
    w = begin("small.db", true);
    store_writer_abort(&w);
    assert_null(w);
    assert_string_equal(ask("SELECT count(*) FROM sae"), "1\n");
    assert_int_not_equal(access(".small.db.partial", F_OK), 0);
}

static void test_rows_that_break_the_schema_fail(void **state)
{
    (void)state;
    struct store_writer *w = begin("twice.db", false);
    struct store_activation a = {0, 1, 9, 0};
    assert_int_equal(put(w, store_writer_by_token, &a, 1), ERR_SYSTEM);
    store_writer_abort(&w);
    assert_int_not_equal(access("twice.db", F_OK), 0);
    /* A row that waits is looked at when it is inserted, with all. */
    w = begin("waits.db", false);
    begin_sae(w, 2, "second");
    assert_int_equal(store_writer_histogram(w, 0, 50, 4, &e), 0);
    assert_int_equal(store_writer_histogram(w, 0, 50, 4, &e), 0);
    assert_int_equal(store_writer_end_sae(w, &e), ERR_SYSTEM);
    assert_non_null(strstr(e.msg, "UNIQUE"));
    store_writer_abort(&w);
}

/* A limit on the size of files stands in for a full disk. */
static void test_full_disk(void **state)
{
    (void)state;
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 100000;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct store_writer *w;
    int code = store_writer_open(&w, "full.db", false, &e);
    for (int64_t id = 0; code == 0 && id < 100000; id++)
        code = store_writer_vocab(w, id, "0123456789", 10, 0, &e);
    if (code == 0)
        code = store_writer_commit(&w, &e);
    store_writer_abort(&w);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_refused(code, &e, "cannot write full.db");
    assert_int_not_equal(access("full.db", F_OK), 0);
    assert_int_not_equal(access(".full.db.partial", F_OK), 0);
}

static void test_text(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
        const char *text;
    } cases[] = {
        {"", 0, ""},
        {"a\xc3\xa4z", 4, "a\xc3\xa4z"},
        {"\xc3", 1, "\\xC3"},
        {"a\xff\0b", 4, "a\\xFF\\x00b"},
        {"\xed\xa0\x80", 3, "\\xED\\xA0\\x80"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[64];
        size_t n = store_text_escape(out, cases[i].bytes, cases[i].length);
        assert_int_equal(n, strlen(cases[i].text));
        assert_memory_equal(out, cases[i].text, n);
        assert_int_equal(store_text_is_plain(cases[i].bytes, cases[i].length),
                         i < 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_database_is_sound),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_views_do_not_scan),
        cmocka_unit_test(test_summary),
        cmocka_unit_test(test_foreign_files_are_refused),
        cmocka_unit_test(test_truncated_file),
        cmocka_unit_test(test_existing_output),
        cmocka_unit_test(test_rows_that_break_the_schema_fail),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, make_database, scratch_end);
}
