/* SPDX-License-Identifier: MIT
 *
 * Groups of contexts, in dump folders and from options. Catches: numbers that
 * have no name, groups of other contexts than there are, and a fingerprint that
 * does not tell a dump with other groups from the first.
 */
#include "dump_fixture.h"

#include <jansson.h>

#include "dump/npy.h"

static char *names[] = {"stories", "n\xc3\xbcsse, \"x\"", "empty"};
static const int32_t of_context[CONTEXTS] = {1, -1, 0, 1};
static const struct dump_groups groups = {3, names, of_context};
static struct err e;

static void write_grouped(const char *path, const struct dump_groups *g)
{
    struct dump_writer *w = begin_dump(path, &plain_info, true);
    if (g != NULL)
        assert_int_equal(dump_writer_groups(w, g, &e), 0);
    put_rows(w, &plain_info, TOKENS);
    assert_int_equal(dump_writer_commit(&w, &e), 0);
}

static void open_with(struct dump **d, const char *file, const char *list)
{
    const struct dump_options o = {.groups = file, .group_names = list};
    if (open_one(d, "g.dump", &o, &e) != 0)
        fail_msg("%s", e.msg);
}

static void groups_are_read_back(void **state)
{
    (void)state;
    struct dump *d;
    write_grouped("g.dump", &groups);
    open_with(&d, NULL, NULL);
    const struct dump_groups *g = dump_groups(d);
    assert_int_equal(g->n, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(g->names[i], names[i]);
    assert_memory_equal(g->of_context, of_context, sizeof of_context);
    assert_int_equal(dump_verify(d, &e), 0);
    dump_close(&d);
    /* One whose contexts have other groups is another dump. */
    const int32_t other[CONTEXTS] = {1, -1, 0, 0};
    FILE *f = fopen("g.dump/groups.npy", "r+b");
    assert_int_equal(fseek(f, -(long)sizeof other, SEEK_END), 0);
    assert_int_equal(fwrite(other, sizeof other, 1, f), 1);
    assert_int_equal(fclose(f), 0);
    open_with(&d, NULL, NULL);
    assert_refused(dump_verify(d, &e), &e, "groups.npy");
    dump_close(&d);
}

/* So that SAEs know the dump that they were trained on. */
static void dumps_without_groups_are_as_before(void **state)
{
    (void)state;
    struct dump *d;
    write_grouped("g.dump", NULL);
    open_with(&d, NULL, NULL);
    assert_null(dump_groups(d));
    dump_close(&d);
    json_t *root = json_load_file("g.dump/manifest.json", 0, NULL);
    assert_null(json_object_get(root, "groups"));
    assert_null(json_object_get(root, "groups_file"));
    json_decref(root);
}

static void what_is_no_group_is_not_written(void **state)
{
    (void)state;
    static char *twice[] = {"a", "b", "a"}, *empty[] = {"a", ""},
                *bytes[] = {"a", "\xff"};
    const int32_t high[CONTEXTS] = {0, 1, 2, 3}, low[CONTEXTS] = {0, 1, -2, 0};
    const struct {
        struct dump_groups groups;
        const char *words;
    } cases[] = {
        {{3, twice, of_context}, "two groups are called 'a'"},
        {{2, empty, of_context}, "the name of group 1 is empty"},
        {{2, bytes, of_context}, "the name of group 1 is not UTF-8"},
        {{0, NULL, of_context}, "0 groups; there can be 1 to 1024"},
        {{3, names, high}, "context 3 is in group 3, but there are names"},
        {{3, names, low}, "context 2 is in group -2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dump_writer *w = begin_dump("bad.dump", &plain_info, true);
        assert_refused(dump_writer_groups(w, &cases[i].groups, &e), &e,
                       cases[i].words);
        dump_writer_abort(&w);
    }
}

static void edit(const char *key, const char *json)
{
    json_t *root = json_load_file("g.dump/manifest.json", 0, NULL);
    json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
    assert_int_equal(json_object_set_new(root, key, value), 0);
    assert_int_equal(json_dump_file(root, "g.dump/manifest.json", 0), 0);
    json_decref(root);
}

static void manifests_that_lie_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *key, *json, *words;
    } cases[] = {
        {"groups", "null", "'groups' must be an array"},
        {"groups", "[\"a\", 1]", "'groups' must be names"},
        {"groups", "[]", "0 groups"},
        {"groups", "[\"a\", \"a\"]", "two groups are called 'a'"},
        {"groups", "[\"a\"]", "context 0 is in group 1, but there are names"},
        {"groups_file", "{\"file\": \"../x\"}", "refused"},
        {"groups_file",
         "{\"file\":\"tokens.npy\",\"bytes\":1,\"xxh3\":\"0000000000000000\"}",
         "groups of 20 contexts; there are 4"},
        {"groups_file",
         "{\"file\":\"gone.npy\",\"bytes\":1,\"xxh3\":\"0000000000000000\"}",
         "gone.npy"},
        {"contexts_file", "null", "disagree"},
    };
    const struct dump_options o = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dump *d;
        write_grouped("g.dump", &groups);
        edit(cases[i].key, cases[i].json);
        assert_refused(open_one(&d, "g.dump", &o, &e), &e, cases[i].words);
    }
    struct dump *d;
    write_grouped("g.dump", &groups);
    edit("contexts_file", "null");
    edit("contexts", "0");
    assert_refused(open_one(&d, "g.dump", &o, &e), &e,
                   "'groups_file' without contexts_file");
}

static void write_numbers(const char *path, enum dtype dtype, int64_t n,
                          const void *data)
{
    assert_int_equal(npy_write(path, dtype, &n, 1, data, &e), 0);
}

/* They count before the folder's own, and make it another dump. */
static void options_name_groups(void **state)
{
    (void)state;
    const int64_t wide[CONTEXTS] = {0, 2, -1, 2};
    char plain[33], numbered[33];
    struct dump *d;
    write_grouped("g.dump", &groups);
    write_numbers("i.npy", DTYPE_I64, CONTEXTS, wide);
    open_with(&d, NULL, NULL);
    (void)strcpy(plain, dump_info(d)->fingerprint);
    dump_close(&d);
    open_with(&d, "i.npy", NULL);
    assert_int_equal(dump_groups(d)->n, 3);
    assert_string_equal(dump_groups(d)->names[2], "2");
    assert_int_equal(dump_groups(d)->of_context[3], 2);
    (void)strcpy(numbered, dump_info(d)->fingerprint);
    assert_string_not_equal(numbered, plain);
    dump_close(&d);
    open_with(&d, "i.npy", "a b,c,d");
    assert_string_equal(dump_groups(d)->names[0], "a b");
    assert_string_equal(dump_groups(d)->names[2], "d");
    assert_string_not_equal(dump_info(d)->fingerprint, numbered);
    dump_close(&d);
}

static void options_must_fit(void **state)
{
    (void)state;
    const int32_t high[CONTEXTS] = {0, 1, 2, 1024},
                  none[CONTEXTS] = {-1, -1, -1, -1};
    const float real[CONTEXTS] = {0};
    write_grouped("g.dump", NULL);
    write_numbers("few.npy", DTYPE_I32, CONTEXTS - 1, of_context);
    write_numbers("good.npy", DTYPE_I32, CONTEXTS, of_context);
    write_numbers("high.npy", DTYPE_I32, CONTEXTS, high);
    write_numbers("none.npy", DTYPE_I32, CONTEXTS, none);
    write_numbers("real.npy", DTYPE_F32, CONTEXTS, real);
    static const struct {
        const char *file, *list, *words;
    } cases[] = {
        {"few.npy", NULL, "groups of 3 contexts; there are 4"},
        {"good.npy", "a", "context 0 is in group 1, but there are names for 1"},
        {"good.npy", "a,a", "two groups are called 'a'"},
        {"good.npy", "a,", "the name of group 1 is empty"},
        {"high.npy", NULL, "context 3 is in group 1024, outside -1..1023"},
        {"none.npy", NULL, "0 groups"},
        {"real.npy", NULL, "i32 or i64"},
        {"gone.npy", NULL, "gone.npy"},
        {NULL, "a,b", "--context-group-names names no --context-groups"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct dump_options o = {.groups = cases[i].file,
                                       .group_names = cases[i].list};
        struct dump *d;
        assert_refused(open_one(&d, "g.dump", &o, &e), &e, cases[i].words);
    }
    static const float zeros[TOKENS * WIDTH];
    const int64_t shape[] = {TOKENS, WIDTH};
    const struct dump_options bare = {.layout = LAYOUT_TOKENS_D,
                                      .groups = "good.npy"};
    struct dump *d;
    assert_int_equal(npy_write("a.npy", DTYPE_F32, shape, 2, zeros, &e), 0);
    assert_refused(open_one(&d, "a.npy", &bare, &e), &e,
                   "the contexts of a.npy are not known");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_read_back),
        cmocka_unit_test(dumps_without_groups_are_as_before),
        cmocka_unit_test(what_is_no_group_is_not_written),
        cmocka_unit_test(manifests_that_lie_are_refused),
        cmocka_unit_test(options_name_groups),
        cmocka_unit_test(options_must_fit),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
