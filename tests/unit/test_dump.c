/* SPDX-License-Identifier: MIT
 *
 * Dump folders. Catches: manifests believed against their shards, tokens and
 * contexts that do not fit, values that are not finite.
 */
#include "dump_fixture.h"

#include <jansson.h>
#include <math.h>

#include "dump/npy.h"

static void written_dumps_are_read_back(void **state)
{
    (void)state;
    static const enum dtype types[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16};
    const struct dump_options o = {0};
    for (size_t t = 0; t < 3; t++) {
        struct dump *d;
        struct err e = {0};
        write_dump("a.dump", types[t], t > 0);
        assert_int_equal(open_one(&d, "a.dump", &o, &e), 0);
        const struct dump_info *info = dump_info(d);
        assert_string_equal(info->path, "a.dump");
        assert_string_equal(info->model, "tiny");
        assert_string_equal(info->bos, "always");
        assert_int_equal(info->fold_value_biases, 0);
        assert_int_equal(info->first_layer, 2);
        assert_int_equal(info->d_model, 16);
        assert_int_equal(info->dtype, types[t]);
        assert_int_equal(info->contexts, CONTEXTS);
        assert_memory_equal(dump_tokens(d), ids, sizeof ids);
        assert_memory_equal(dump_contexts(d), offsets, sizeof offsets);
        assert_string_equal(dump_vocab(d)->text[3], "d");
        assert_int_equal(strlen(info->fingerprint), 32);
        check_rows(d, LAYERS, TOKENS);
        assert_int_equal(dump_verify(d, &e), 0);
        dump_close(&d);
        assert_null(d);
    }
}

static void set_float(const char *path, long from_end, float value)
{
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, -from_end, SEEK_END), 0);
    assert_int_equal(fwrite(&value, sizeof value, 1, f), 1);
    assert_int_equal(fclose(f), 0);
}

static void values_that_are_not_finite_are_named(void **state)
{
    (void)state;
    const struct dump_options o = {0};
    float rows[TOKENS * WIDTH];
    char raw[TOKENS * WIDTH * sizeof(float)];
    struct dump *d;
    struct err e = {0};
    write_dump("nan.dump", DTYPE_F32, false);
    /* Row 17 of 20, column 6 of 8. */
    set_float("nan.dump/layer03-00000.safetensors",
              (2 * WIDTH + WIDTH - 6) * (long)sizeof(float), NAN);
    set_float("nan.dump/layer04-00000.safetensors", TOKENS * WIDTH * 4,
              -INFINITY);
    assert_int_equal(open_one(&d, "nan.dump", &o, &e), 0);
    assert_int_equal(dump_read(d, 2, 0, TOKENS, rows, &e), 0);
    assert_int_equal(dump_read(d, 3, 0, 17, rows, &e), 0);
    assert_int_equal(dump_read(d, 3, 18, 2, rows, &e), 0);
    assert_refused(dump_read(d, 3, 9, 11, rows, &e), &e,
                   "layer03-00000.safetensors: layer 3, row 17 (token 17 of "
                   "the dump): NaN at column 6");
    assert_refused(dump_read(d, 4, 0, 1, rows, &e), &e,
                   "row 0 (token 0 of the dump): infinity at column 0");
    dump_read_raw(d, 3, 17, 1, raw);
    assert_int_equal(dump_convert_part(d, 3, raw, 17, 0, 6, rows, &e), 0);
    assert_refused(dump_convert_part(d, 3, raw, 17, 5, 3, rows, &e), &e,
                   "row 17 (token 17 of the dump): NaN at column 6");
    assert_refused(dump_verify(d, &e), &e, "layer03-00000.safetensors");
    assert_int_equal(dump_verify_layer(d, 2, &e), 0);
    assert_refused(dump_verify_layer(d, 3, &e), &e, "row 17 (token 17");
    set_float("nan.dump/layer02-00000.safetensors", 4, 7);
    assert_refused(dump_verify_layer(d, 2, &e), &e, "checksum differs");
    dump_close(&d);
}

/* Replaces a member of a dump's manifest by JSON text; NULL removes it. Path:
 * "key", or "i.key" for shard i. */
static void edit_manifest(const char *where, const char *json)
{
    json_error_t problem;
    json_t *root = json_load_file("m.dump/manifest.json", 0, &problem);
    json_t *object = root;
    assert_non_null(root);
    if (strchr(where, '.') != NULL) {
        object = json_array_get(json_object_get(root, "shards"),
                                (size_t)atoi(where));
        where = strchr(where, '.') + 1;
    }
    if (json == NULL) {
        assert_int_equal(json_object_del(object, where), 0);
    } else {
        json_t *value = json_loads(json, JSON_DECODE_ANY, &problem);
        assert_non_null(value);
        assert_int_equal(json_object_set_new(object, where, value), 0);
    }
    assert_int_equal(json_dump_file(root, "m.dump/manifest.json", 0), 0);
    json_decref(root);
}

static void manifests_that_lie_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *where, *json, *words;
    } cases[] = {
        {"format", "\"other\"", "'format' is 'other'"},
        {"format", NULL, "'format' is missing"},
        {"version", "2", "version 2 is newer"},
        {"version", "0", "outside"},
        {"model", "1", "'model' must be a string"},
        {"hook", "\"hook_resid\"", "'hook' is 'hook_resid'"},
        {"layers", "0", "'layers' is 0"},
        {"layers", "1025", "'layers' is 1025"},
        {"layers", "2", "shard 2: 'layer' is 4"},
        {"layers", "4", "the shards end at row 20 of layer 4"},
        {"first_layer", "-1", "'first_layer' is -1"},
        {"first_layer", "1023", "'first_layer' is 1023"},
        {"first_layer", "1", "must come next"},
        {"heads", "4", "the manifest says f32 [20, 4, 4]"},
        {"heads", "65537", "'heads' is 65537"},
        {"d_head", "8", "the manifest says f32 [20, 2, 8]"},
        {"d_head", "1048576", "'d_head' is 1048576"},
        {"d_head", "9223372036854775807", "'d_head' is"},
        {"dtype", "\"f16\"", "holds f32 [20, 2, 4]; the manifest says f16"},
        {"dtype", "\"f64\"", "must be f32, f16 or bf16"},
        {"dtype", "\"i32\"", "must be f32, f16 or bf16"},
        {"tokens", "0", "'tokens' is 0"},
        {"tokens", "-5", "'tokens' is -5"},
        {"tokens", "19", "goes beyond the 19 tokens"},
        {"tokens", "21", "must come next"},
        {"tokens", "9223372036854775807", "must come next"},
        {"contexts", "3", "5 offsets"},
        {"contexts", "0", "'contexts' and 'contexts_file' disagree"},
        {"contexts", "9223372036854775807", "5 offsets"},
        {"contexts_file", "null", "disagree"},
        {"bos", "\"maybe\"", "'bos' is 'maybe'"},
        {"fold_value_biases", "1", "must be true or false"},
        {"tokens_file", "7", "tokens_file"},
        {"tokens_file",
         "{\"file\":\"gone.npy\",\"bytes\":1,\"xxh3\":"
         "\"0000000000000000\"}",
         "gone.npy"},
        {"vocab_file",
         "{\"file\":\"../v.json\",\"bytes\":1,\"xxh3\":"
         "\"0000000000000000\"}",
         "'../v.json' is refused"},
        {"shards", "[]", "the shards end at row 0 of layer 2"},
        {"shards", "{}", "'shards' must be an array"},
        {"shards", "[1]", "shard 0: 'layer' is missing"},
        {"0.file", "\"../m.dump/layer02-00000.safetensors\"", "is refused"},
        {"0.file", "\"/etc/passwd\"", "'/etc/passwd' is refused"},
        {"0.file", "\"..\"", "is refused"},
        {"0.file", "\"a\\nb\"", "is refused"},
        {"0.file", "\"\"", "is refused"},
        {"0.file", "\"gone.safetensors\"", "gone.safetensors"},
        {"0.file", "\"tokens.npy\"", "named tensors"},
        {"0.layer", "3", "must come next"},
        {"0.layer", "9", "'layer' is 9"},
        {"0.first_row", "1", "must come next"},
        {"0.rows", "0", "'rows' is 0"},
        {"0.rows", "19", "must come next"},
        {"2.rows", "19", "end at row 19 of layer 4"},
        {"2.rows", "21", "goes beyond"},
        {"2.rows", "9223372036854775807", "goes beyond"},
        {"1.bytes", "1", "the manifest says 1"},
        {"1.xxh3", "\"12\"", "16 lower-case hex digits"},
        {"1.xxh3", "\"ABCDEF0123456789\"", "16 lower-case hex digits"},
    };
    const struct dump_options o = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dump *d;
        struct err e = {0};
        write_dump("m.dump", DTYPE_F32, i > 0);
        edit_manifest(cases[i].where, cases[i].json);
        assert_refused(open_one(&d, "m.dump", &o, &e), &e, cases[i].words);
        assert_null(d);
    }
}

static void fingerprints_follow_the_content(void **state)
{
    (void)state;
    const struct dump_options o = {0}, named = {.model = "other"};
    char first[33];
    struct dump *d;
    struct err e = {0};
    write_dump("m.dump", DTYPE_F32, true);
    assert_int_equal(open_one(&d, "m.dump", &o, &e), 0);
    (void)strcpy(first, dump_info(d)->fingerprint);
    dump_close(&d);
    /* Neither the folder's name, nor an option, nor unknown keys count. */
    edit_manifest("note", "\"mine\"");
    assert_int_equal(rename("m.dump", "moved.dump"), 0);
    assert_int_equal(open_one(&d, "moved.dump/", &named, &e), 0);
    assert_string_equal(dump_info(d)->fingerprint, first);
    assert_string_equal(dump_info(d)->model, "other");
    dump_close(&d);
    assert_int_equal(rename("moved.dump", "m.dump"), 0);
    edit_manifest("1.xxh3", "\"0123456789abcdef\"");
    assert_int_equal(open_one(&d, "m.dump", &o, &e), 0);
    assert_string_not_equal(dump_info(d)->fingerprint, first);
    assert_refused(dump_verify(d, &e), &e, "layer03-00000.safetensors");
    dump_close(&d);
}

static void tokens_must_fit_the_rest(void **state)
{
    (void)state;
    const struct {
        const char *file;
        enum dtype dtype;
        int64_t n;
        const void *data;
        const char *words;
    } cases[] = {
        {"tokens.npy", DTYPE_I32, 20, (const int32_t[20]){[3] = 4},
         "token 3 has the id 4, but the voca"},
        {"tokens.npy", DTYPE_I32, 20, (const int32_t[20]){[3] = -1},
         "token 3 has the id -1"},
        {"tokens.npy", DTYPE_I32, 19, (const int32_t[20]){0},
         "one axis of 20 tokens"},
        {"tokens.npy", DTYPE_F32, 20, (const float[20]){0}, "i32, i64 or u16"},
        {"contexts.npy", DTYPE_I64, 5, (const int64_t[]){1, 5, 10, 15, 20},
         "begins at 1"},
        {"contexts.npy", DTYPE_I64, 5, (const int64_t[]){0, 5, 4, 15, 20},
         "not ascending: context 1"},
        {"contexts.npy", DTYPE_I64, 5, (const int64_t[]){0, 5, 5, 15, 20},
         "not ascending: context 1"},
        {"contexts.npy", DTYPE_I64, 5, (const int64_t[]){0, 5, 10, 15, 19},
         "end at 19 of 20"},
        {"contexts.npy", DTYPE_I64, 5, (const int64_t[]){0, 5, 10, 15, 21},
         "end at 21 of 20"},
        {"contexts.npy", DTYPE_I32, 5, (const int32_t[]){0, 5, 10, 15, 20},
         "must be i64"},
        {"contexts.npy", DTYPE_I64, 0, (const int64_t[]){0}, "0 offsets"},
    };
    const struct dump_options o = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[100];
        struct dump *d;
        struct err e = {0};
        write_dump("m.dump", DTYPE_F32, true);
        (void)snprintf(path, sizeof path, "m.dump/%s", cases[i].file);
        assert_int_equal(
            npy_write(path, cases[i].dtype, &cases[i].n, 1, cases[i].data, &e),
            0);
        assert_refused(open_one(&d, "m.dump", &o, &e), &e, cases[i].words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_dumps_are_read_back),
        cmocka_unit_test(values_that_are_not_finite_are_named),
        cmocka_unit_test(manifests_that_lie_are_refused),
        cmocka_unit_test(fingerprints_follow_the_content),
        cmocka_unit_test(tokens_must_fit_the_rest),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
