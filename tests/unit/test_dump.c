/* SPDX-License-Identifier: MIT
 *
 * Catches: layouts that mix up axes, manifests believed against their shards,
 * options silently ignored, values that are not finite, and writers that leave
 * half a dump behind.
 */
#include "scratch.h"

#include <jansson.h>
#include <math.h>
#include <sys/stat.h>

#include "dump/dump.h"
#include "dump/npy.h"
#include "dump/safetensors.h"
#include "dump/writer.h"
#include "kernels/convert.h"

enum {
    LAYERS = 3,
    HEADS = 2,
    D_HEAD = 4,
    WIDTH = HEADS * D_HEAD,
    CONTEXTS = 4,
    POSITIONS = 5,
    TOKENS = CONTEXTS * POSITIONS
};

/* The value at a place, exact in f16 and bf16 (at most 8 significant bits). */
static float value_at(int layer, uint64_t token, size_t column)
{
    float v = (float)((token * 13 + column * 7 + (uint64_t)layer * 5) % 255);
    return (v - 127) / 64;
}

static void fill(float *out, int layer, uint64_t first, size_t n)
{
    for (size_t i = 0; i < n * WIDTH; i++)
        out[i] = value_at(layer, first + i / WIDTH, i % WIDTH);
}

static void narrow(uint16_t *out, enum dtype dtype, const float *in, size_t n)
{
    if (dtype == DTYPE_BF16)
        convert_f32_to_bf16(out, in, n);
    else
        convert_f32_to_f16(out, in, n);
}

/* One tensor of f32, f16 or bf16 under `name` in a .safetensors file. */
static void write_tensor(const char *path, const char *name, enum dtype dtype,
                         const int64_t *shape, int rank, const float *values)
{
    static uint16_t half[1 << 16];
    struct safetensors_entry entry = {
        .name = name, .dtype = dtype, .rank = rank};
    struct safetensors_writer w;
    struct err e = {0};
    memcpy(entry.shape, shape, (size_t)rank * sizeof *shape);
    assert_int_equal(safetensors_begin(&w, path, &entry, 1, &e), 0);
    size_t n = w.left / dtype_size(dtype);
    assert_true(n <= sizeof half / sizeof *half);
    if (dtype != DTYPE_F32)
        narrow(half, dtype, values, n);
    assert_int_equal(
        safetensors_put(&w, dtype == DTYPE_F32 ? (const void *)values : half,
                        w.left, &e),
        0);
    assert_int_equal(safetensors_end(&w, &e), 0);
}

/* A .npy of a type that npy_write does not write. */
static void write_array(const char *path, const char *descr, const char *shape,
                        const char *data, size_t size)
{
    char bytes[256];
    int n = snprintf(bytes + 10, 200,
                     "{'descr': '%s', 'fortran_order': False, 'shape': %s}",
                     descr, shape);
    memcpy(bytes, "\x93NUMPY\x01\x00", 8);
    bytes[8] = (char)n;
    bytes[9] = 0;
    if (size != 0)
        memcpy(bytes + 10 + n, data, size);
    write_bytes(path, bytes, 10 + (size_t)n + size);
}

static int open_one(struct dump **d, const char *path,
                    const struct dump_options *o, struct err *e)
{
    return dump_open(d, &path, 1, o, e);
}

/* Every way of reading gives the values of fill(), for layers 0..layers-1. */
static void check_rows(const struct dump *d, int layers, uint64_t tokens)
{
    static float want[64 * WIDTH], got[64 * WIDTH], converted[64 * WIDTH];
    static char raw[64 * WIDTH * 4];
    struct err e = {0};
    const struct dump_info *info = dump_info(d);
    assert_int_equal(info->tokens, tokens);
    assert_int_equal(info->heads * info->d_head, WIDTH);
    assert_int_equal(info->layers, layers);
    for (int l = 0; l < layers; l++)
        for (uint64_t first = 0; first <= tokens; first++)
            for (size_t n = 0; n <= tokens - first; n++) {
                int layer = info->first_layer + l;
                uint64_t rows[64];
                for (size_t i = 0; i < n; i++)
                    rows[i] = first + i;
                fill(want, l, first, n);
                assert_int_equal(dump_read(d, layer, first, n, got, &e), 0);
                assert_memory_equal(got, want, n * WIDTH * sizeof *got);
                dump_read_raw(d, layer, first, n, raw);
                assert_int_equal(
                    dump_convert(d, layer, raw, rows, n, converted, &e), 0);
                assert_memory_equal(converted, want, n * WIDTH * sizeof *got);
            }
}

/* ---- writing ---- */

static const struct dump_info plain_info = {
    .model = "tiny",
    .first_layer = 2,
    .layers = LAYERS,
    .heads = HEADS,
    .d_head = D_HEAD,
    .d_model = 16,
    .tokens = TOKENS,
    .contexts = CONTEXTS,
    .dtype = DTYPE_F32,
    .bos = "always",
    .fold_value_biases = 0,
};
static const int64_t offsets[CONTEXTS + 1] = {0, 5, 10, 15, 20};
static const int32_t ids[TOKENS] = {0, 1, 2, 3, 2, 1, 0};

static void put_vocab(struct dump_writer *w)
{
    struct vocab v;
    struct err e = {0};
    assert_int_equal(vocab_init(&v, 4, &e), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(vocab_set(&v, i, &"abcd"[i], 1, &e), 0);
    assert_int_equal(dump_writer_vocab(w, &v, &e), 0);
    vocab_free(&v);
}

static struct dump_writer *begin_dump(const char *path,
                                      const struct dump_info *info, bool force)
{
    struct dump_writer *w;
    struct err e = {0};
    assert_int_equal(dump_writer_open(&w, path, info, force, &e), 0);
    assert_int_equal(dump_writer_tokens(w, ids, offsets, &e), 0);
    put_vocab(w);
    return w;
}

/* Rows in pieces of `step`, the layers taking turns. */
static void put_rows(struct dump_writer *w, const struct dump_info *info,
                     size_t step)
{
    float rows[TOKENS * WIDTH];
    struct err e = {0};
    for (uint64_t first = 0; first < info->tokens; first += step)
        for (int l = 0; l < info->layers; l++) {
            size_t n = info->tokens - first < step
                           ? (size_t)(info->tokens - first)
                           : step;
            fill(rows, l, first, n);
            assert_int_equal(
                dump_writer_rows(w, info->first_layer + l, rows, n, &e), 0);
        }
}

static void write_dump(const char *path, enum dtype dtype, bool force)
{
    struct dump_info info = plain_info;
    struct err e = {0};
    info.dtype = dtype;
    struct dump_writer *w = begin_dump(path, &info, force);
    put_rows(w, &info, 3);
    assert_int_equal(dump_writer_commit(&w, &e), 0);
    assert_null(w);
}

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
    dump_read_raw(d, 3, 16, 2, raw);
    assert_refused(
        dump_convert(d, 3, raw, (const uint64_t[]){16, 17}, 2, rows, &e), &e,
        "row 17 (token 17 of the dump): NaN at column 6");
    assert_refused(dump_verify(d, &e), &e, "layer03-00000.safetensors");
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

/* ---- manifests ---- */

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

/* ---- bare arrays ---- */

static const int64_t shape_d[] = {TOKENS, WIDTH};
static const int64_t shape_heads[] = {TOKENS, HEADS, D_HEAD};
static const int64_t shape_contexts[] = {CONTEXTS, POSITIONS, HEADS, D_HEAD};
static const int64_t shape_layers[] = {TOKENS, LAYERS, HEADS, D_HEAD};

static const struct {
    enum dump_layout layout;
    const int64_t *shape;
    int rank, layers;
} layouts[] = {
    {LAYOUT_TOKENS_D, shape_d, 2, 1},
    {LAYOUT_TOKENS_HEADS_DHEAD, shape_heads, 3, 1},
    {LAYOUT_CONTEXTS_POSITIONS_HEADS_DHEAD, shape_contexts, 4, 1},
    {LAYOUT_TOKENS_LAYERS_HEADS_DHEAD, shape_layers, 4, LAYERS},
};

/* The values of rows [first, first + n) as they lie in an array. */
static void lay_out(float *out, int layers, uint64_t first, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (int l = 0; l < layers; l++, out += WIDTH)
            fill(out, l, first + i, 1);
}

static void all_layouts_give_the_same_rows(void **state)
{
    (void)state;
    static const enum dtype types[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16};
    static float values[TOKENS * LAYERS * WIDTH];
    for (size_t i = 0; i < 4; i++)
        for (size_t t = 0; t < 3; t++) {
            struct dump *d;
            struct err e = {0};
            const struct dump_options o = {.layout = (int)layouts[i].layout,
                                           .first_layer = 7,
                                           .heads = HEADS};
            lay_out(values, layouts[i].layers, 0, TOKENS);
            write_tensor("z.safetensors", "any name", types[t],
                         layouts[i].shape, layouts[i].rank, values);
            assert_int_equal(open_one(&d, "z.safetensors", &o, &e), 0);
            const struct dump_info *info = dump_info(d);
            assert_int_equal(info->first_layer, 7);
            assert_int_equal(info->heads, HEADS);
            assert_int_equal(info->dtype, types[t]);
            assert_string_equal(info->model, "unknown");
            assert_string_equal(info->bos, "unknown");
            assert_int_equal(info->fold_value_biases, -1);
            assert_null(dump_tokens(d));
            bool known =
                layouts[i].layout == LAYOUT_CONTEXTS_POSITIONS_HEADS_DHEAD;
            assert_int_equal(info->contexts, known ? CONTEXTS : 0);
            if (known)
                assert_memory_equal(dump_contexts(d), offsets, sizeof offsets);
            else
                assert_null(dump_contexts(d));
            check_rows(d, layouts[i].layers, TOKENS);
            assert_int_equal(dump_verify(d, &e), 0);
            dump_close(&d);
        }
}

/* Rows 0..first-1 and the rest in two files, one of them .npy. */
static void files_are_joined(void **state)
{
    (void)state;
    static float values[TOKENS * LAYERS * WIDTH];
    static const char *const paths[] = {"a.npy", "b.safetensors"};
    for (size_t i = 0; i < 4; i++) {
        struct dump *d;
        struct err e = {0};
        int64_t shape[4];
        const struct dump_options o = {.layout = (int)layouts[i].layout};
        memcpy(shape, layouts[i].shape, (size_t)layouts[i].rank * 8);
        int64_t all = shape[0], entry = TOKENS / all;
        lay_out(values, layouts[i].layers, 0, TOKENS);
        shape[0] = 1;
        assert_int_equal(
            npy_write("a.npy", DTYPE_F32, shape, layouts[i].rank, values, &e),
            0);
        shape[0] = all - 1;
        write_tensor("b.safetensors", "z", DTYPE_F32, shape, layouts[i].rank,
                     values + entry * layouts[i].layers * WIDTH);
        assert_int_equal(dump_open(&d, paths, 2, &o, &e), 0);
        check_rows(d, layouts[i].layers, TOKENS);
        dump_close(&d);
    }
}

static void names_of_rows_in_arrays(void **state)
{
    (void)state;
    static float values[TOKENS * LAYERS * WIDTH];
    static const char *const paths[] = {"a.npy", "b.npy"};
    const struct dump_options o = {.layout = LAYOUT_TOKENS_LAYERS_HEADS_DHEAD};
    float rows[TOKENS * WIDTH];
    struct dump *d;
    struct err e = {0};
    lay_out(values, LAYERS, 0, TOKENS);
    assert_int_equal(npy_write("a.npy", DTYPE_F32, shape_layers, 4, values, &e),
                     0);
    values[(3 * LAYERS + 1) * WIDTH + 5] = INFINITY;
    assert_int_equal(npy_write("b.npy", DTYPE_F32, shape_layers, 4, values, &e),
                     0);
    assert_int_equal(dump_open(&d, paths, 2, &o, &e), 0);
    assert_int_equal(dump_read(d, 0, TOKENS, TOKENS, rows, &e), 0);
    assert_refused(dump_read(d, 1, TOKENS, TOKENS, rows, &e), &e,
                   "b.npy: layer 1, row 3 (token 23 of the dump): infinity at "
                   "column 5");
    dump_close(&d);
}

static void bad_arrays_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct dump_options o;
        int rank;
        int64_t shape[5];
        const char *words;
    } cases[] = {
        {{.layout = LAYOUT_NONE},
         3,
         {2, 2, 4},
         "f32 [2, 2, 4]; name its axes with --layout: tokens,d | "
         "tokens,heads,d_head | contexts,positions,heads,d_head | "
         "tokens,layers,heads,d_head"},
        {{.layout = LAYOUT_TOKENS_D},
         3,
         {2, 2, 4},
         "f32 [2, 2, 4], which is not tokens,d; name its axes"},
        {{.layout = LAYOUT_TOKENS_HEADS_DHEAD}, 2, {2, 8}, "which is not"},
        {{.layout = LAYOUT_TOKENS_LAYERS_HEADS_DHEAD},
         5,
         {1, 1, 1, 1, 1},
         "which is not"},
        {{.layout = LAYOUT_TOKENS_D}, 1, {8}, "which is not"},
        {{.layout = LAYOUT_TOKENS_D}, 0, {0}, "which is not"},
        {{.layout = LAYOUT_TOKENS_D, .heads = 7},
         2,
         {2, 256},
         "--heads 7: the width 256 of bad.npy is no multiple"},
        {{.layout = LAYOUT_TOKENS_D, .heads = 16}, 2, {2, 8}, "--heads 16"},
        {{.layout = LAYOUT_TOKENS_HEADS_DHEAD, .heads = 3},
         3,
         {2, 2, 4},
         "--heads 3: bad.npy has 2 heads"},
        {{.layout = LAYOUT_TOKENS_D}, 2, {0, 8}, "no rows"},
        {{.layout = LAYOUT_TOKENS_D}, 2, {8, 0}, "no rows"},
        {{.layout = LAYOUT_CONTEXTS_POSITIONS_HEADS_DHEAD},
         4,
         {2, 0, 2, 4},
         "no rows"},
        {{.layout = LAYOUT_TOKENS_HEADS_DHEAD}, 3, {2, 0, 4}, "no rows"},
        {{.layout = LAYOUT_TOKENS_HEADS_DHEAD},
         3,
         {1, 65537, 1},
         "at most 65536 heads"},
        {{.layout = LAYOUT_TOKENS_LAYERS_HEADS_DHEAD},
         4,
         {1, 1025, 1, 1},
         "go beyond 1023"},
        {{.layout = LAYOUT_TOKENS_D, .first_layer = 1024},
         2,
         {2, 8},
         "go beyond 1023"},
        {{.layout = LAYOUT_TOKENS_D, .tensor = "z"},
         2,
         {2, 8},
         "only .safetensors files have named tensors"},
        {{.layout = LAYOUT_TOKENS_D, .vocab = "v", .tokenizer = "t"},
         2,
         {2, 8},
         "give one of them"},
        {{.layout = LAYOUT_TOKENS_D, .vocab = "gone"}, 2, {2, 8}, "gone"},
    };
    static const float zeros[1 << 17];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dump *d;
        struct err e = {0};
        assert_int_equal(npy_write("bad.npy", DTYPE_F32, cases[i].shape,
                                   cases[i].rank, zeros, &e),
                         0);
        assert_refused(open_one(&d, "bad.npy", &cases[i].o, &e), &e,
                       cases[i].words);
        assert_null(d);
    }
}

static void bad_paths_are_refused(void **state)
{
    (void)state;
    const struct dump_options o = {.layout = LAYOUT_TOKENS_D}, none = {0};
    struct dump *d;
    struct err e = {0};
    assert_int_equal(mkdir("empty", 0777), 0);
    write_text("text.txt", "x");
    write_text("empty.npy", "");
    write_text("empty.safetensors", "");
    assert_refused(open_one(&d, "gone.npy", &o, &e), &e, "gone.npy");
    assert_refused(open_one(&d, "empty", &none, &e), &e, "without manifest");
    assert_refused(open_one(&d, "text.txt", &o, &e), &e, "no dump folder");
    assert_refused(open_one(&d, "empty.npy", &o, &e), &e, "no .npy file");
    assert_refused(open_one(&d, "empty.safetensors", &o, &e), &e, "too few");
    static const char *const two[] = {"empty.npy", "empty"};
    assert_refused(dump_open(&d, two, 2, &o, &e), &e, "empty is a folder");
    write_bytes("none.safetensors", "\x02\0\0\0\0\0\0\0{}", 10);
    assert_refused(open_one(&d, "none.safetensors", &o, &e), &e, "no tensors");

    write_dump("m.dump", DTYPE_F32, true);
    assert_refused(open_one(&d, "m.dump", &o, &e), &e, "for bare arrays");
    const struct dump_options ids_too = {.token_ids = "ids.npy"};
    assert_refused(open_one(&d, "m.dump", &ids_too, &e), &e, "bare arrays");
}

static void types_and_shapes_must_agree(void **state)
{
    (void)state;
    static const float zeros[TOKENS * WIDTH];
    static const char *const paths[] = {"a.npy", "b.npy"};
    static const int64_t other[] = {TOKENS, WIDTH / 2};
    const struct dump_options o = {.layout = LAYOUT_TOKENS_D};
    struct dump *d;
    struct err e = {0};
    assert_int_equal(npy_write("a.npy", DTYPE_F32, shape_d, 2, zeros, &e), 0);
    assert_int_equal(npy_write("b.npy", DTYPE_F32, other, 2, zeros, &e), 0);
    assert_refused(dump_open(&d, paths, 2, &o, &e), &e,
                   "b.npy is f32 [20, 4], but a.npy is f32 [20, 8]");
    assert_int_equal(npy_write("b.npy", DTYPE_F16, shape_d, 2, zeros, &e), 0);
    assert_refused(dump_open(&d, paths, 2, &o, &e), &e, "b.npy is f16");
    assert_int_equal(npy_write("b.npy", DTYPE_I64, other, 2, zeros, &e), 0);
    assert_refused(dump_open(&d, paths, 2, &o, &e), &e,
                   "b.npy holds i64; activations are f32, f16 or bf16");
    write_array("f8.npy", "<f8", "(0, 8)", NULL, 0);
    assert_refused(open_one(&d, "f8.npy", &o, &e), &e, ".astype(np.float32)");
}

static void the_tensor_is_chosen_by_name(void **state)
{
    (void)state;
    static const struct safetensors_entry entries[] = {
        {"q", DTYPE_F32, 2, {1, 8}}, {"k", DTYPE_F32, 2, {2, 4}}};
    static const struct safetensors_entry with_z[] = {
        {"q", DTYPE_F32, 2, {1, 8}}, {"z", DTYPE_F32, 2, {2, 4}}};
    static const float zeros[16];
    struct dump_options o = {.layout = LAYOUT_TOKENS_D};
    struct safetensors_writer w;
    struct dump *d;
    struct err e = {0};
    assert_int_equal(safetensors_begin(&w, "qk.safetensors", entries, 2, &e),
                     0);
    assert_int_equal(safetensors_put(&w, zeros, sizeof zeros, &e), 0);
    assert_int_equal(safetensors_end(&w, &e), 0);
    assert_refused(open_one(&d, "qk.safetensors", &o, &e), &e,
                   "several tensors; choose with --tensor: q, k");
    o.tensor = "v";
    assert_refused(open_one(&d, "qk.safetensors", &o, &e), &e,
                   "no tensor 'v', but: q, k");
    o.tensor = "k";
    assert_int_equal(open_one(&d, "qk.safetensors", &o, &e), 0);
    assert_int_equal(dump_info(d)->d_head, 4);
    dump_close(&d);

    assert_int_equal(safetensors_begin(&w, "qz.safetensors", with_z, 2, &e), 0);
    assert_int_equal(safetensors_put(&w, zeros, sizeof zeros, &e), 0);
    assert_int_equal(safetensors_end(&w, &e), 0);
    o.tensor = NULL;
    assert_int_equal(open_one(&d, "qz.safetensors", &o, &e), 0);
    assert_int_equal(dump_info(d)->tokens, 2);
    dump_close(&d);
}

static void token_ids_join_bare_arrays(void **state)
{
    (void)state;
    static const float zeros[TOKENS * WIDTH];
    static const int64_t flat[] = {TOKENS}, square[] = {CONTEXTS, POSITIONS},
                         across[] = {POSITIONS, CONTEXTS}, cube[] = {4, 5, 1};
    int64_t wide[TOKENS];
    struct dump_options o = {.layout = LAYOUT_TOKENS_D, .token_ids = "i.npy"};
    const struct dump_options stack = {
        .layout = LAYOUT_CONTEXTS_POSITIONS_HEADS_DHEAD, .token_ids = "i.npy"};
    struct dump *d;
    struct err e = {0};
    for (size_t i = 0; i < TOKENS; i++)
        wide[i] = ids[i];
    assert_int_equal(npy_write("a.npy", DTYPE_F32, shape_d, 2, zeros, &e), 0);
    assert_int_equal(
        npy_write("c.npy", DTYPE_F32, shape_contexts, 4, zeros, &e), 0);

    assert_int_equal(npy_write("i.npy", DTYPE_I64, flat, 1, wide, &e), 0);
    assert_int_equal(open_one(&d, "a.npy", &o, &e), 0);
    assert_memory_equal(dump_tokens(d), ids, sizeof ids);
    assert_int_equal(dump_info(d)->contexts, 0);
    dump_close(&d);
    assert_int_equal(open_one(&d, "c.npy", &stack, &e), 0);
    assert_memory_equal(dump_tokens(d), ids, sizeof ids);
    assert_int_equal(dump_info(d)->contexts, CONTEXTS);
    dump_close(&d);

    assert_int_equal(npy_write("i.npy", DTYPE_I32, square, 2, ids, &e), 0);
    assert_int_equal(open_one(&d, "a.npy", &o, &e), 0);
    assert_memory_equal(dump_contexts(d), offsets, sizeof offsets);
    dump_close(&d);

    assert_int_equal(npy_write("i.npy", DTYPE_I32, across, 2, ids, &e), 0);
    assert_refused(open_one(&d, "c.npy", &stack, &e), &e,
                   "4 positions a context, the activations have 5");
    assert_int_equal(npy_write("i.npy", DTYPE_I32, cube, 3, ids, &e), 0);
    assert_refused(open_one(&d, "a.npy", &o, &e), &e, "one axis, or two");
    assert_int_equal(npy_write("i.npy", DTYPE_F32, flat, 1, ids, &e), 0);
    assert_refused(open_one(&d, "a.npy", &o, &e), &e, ".astype(np.int32)");
    assert_int_equal(npy_write("i.npy", DTYPE_I32, square, 1, ids, &e), 0);
    assert_refused(open_one(&d, "a.npy", &o, &e), &e,
                   "4 token ids for 20 rows");
    wide[7] = 1LL << 31;
    assert_int_equal(npy_write("i.npy", DTYPE_I64, flat, 1, wide, &e), 0);
    assert_refused(open_one(&d, "a.npy", &o, &e), &e,
                   "token 7 has the id 2147483648");
    wide[7] = -1;
    assert_int_equal(npy_write("i.npy", DTYPE_I64, flat, 1, wide, &e), 0);
    assert_refused(open_one(&d, "a.npy", &o, &e), &e, "token 7 has the id -1");
    wide[7] = 3;
    assert_int_equal(npy_write("i.npy", DTYPE_I64, flat, 1, wide, &e), 0);
    write_text("v.json", "[\"a\", \"b\", \"c\"]");
    o.vocab = "v.json";
    assert_refused(open_one(&d, "a.npy", &o, &e), &e,
                   "i.npy: token 3 has the id 3, but the vocabulary ends at 2");
}

/* 16-bit ids are not signed. */
static void ids_of_16_bits(void **state)
{
    (void)state;
    static const float zeros[2 * WIDTH];
    static const int64_t shape[] = {2, WIDTH};
    const struct dump_options o = {.layout = LAYOUT_TOKENS_D,
                                   .token_ids = "i.npy"};
    struct dump *d;
    struct err e = {0};
    write_array("i.npy", "<u2", "(2,)", "\xff\xff\x01\x00", 4);
    assert_int_equal(npy_write("a.npy", DTYPE_F32, shape, 2, zeros, &e), 0);
    assert_int_equal(open_one(&d, "a.npy", &o, &e), 0);
    assert_int_equal(dump_tokens(d)[0], 65535);
    assert_int_equal(dump_tokens(d)[1], 1);
    dump_close(&d);
}

static void fingerprints_of_arrays_follow_the_data(void **state)
{
    (void)state;
    static float values[TOKENS * WIDTH];
    char first[33];
    struct dump_options o = {.layout = LAYOUT_TOKENS_D};
    struct dump *d;
    struct err e = {0};
    assert_int_equal(npy_write("a.npy", DTYPE_F32, shape_d, 2, values, &e), 0);
    assert_int_equal(open_one(&d, "a.npy", &o, &e), 0);
    (void)strcpy(first, dump_info(d)->fingerprint);
    dump_close(&d);
    assert_int_equal(rename("a.npy", "b.npy"), 0);
    assert_int_equal(open_one(&d, "b.npy", &o, &e), 0);
    assert_string_equal(dump_info(d)->fingerprint, first);
    dump_close(&d);
    o.heads = 2;
    assert_int_equal(open_one(&d, "b.npy", &o, &e), 0);
    assert_string_not_equal(dump_info(d)->fingerprint, first);
    dump_close(&d);
    o.heads = 0;
    values[TOKENS * WIDTH - 1] = 1;
    assert_int_equal(npy_write("a.npy", DTYPE_F32, shape_d, 2, values, &e), 0);
    assert_int_equal(open_one(&d, "a.npy", &o, &e), 0);
    assert_string_not_equal(dump_info(d)->fingerprint, first);
    dump_close(&d);
}

/* The choices of --layout must stand in the order of the enum. */
static void options_name_the_layouts(void **state)
{
    (void)state;
    static const char *const names[] = {
        "none", "tokens,d", "tokens,heads,d_head",
        "contexts,positions,heads,d_head", "tokens,layers,heads,d_head"};
    for (int i = 0; i < 5; i++) {
        struct dump_options o;
        struct option_group group = {"input", dump_option_table,
                                     DUMP_OPTION_COUNT, &o};
        char name[64], *argv[] = {(char[]){"--layout"}, name};
        struct err e = {0};
        int n_args;
        (void)strcpy(name, names[i]);
        assert_int_equal(options_parse(&group, 1, 2, argv, &n_args, &e), 0);
        assert_int_equal(o.layout, i);
        assert_null(o.tensor);
        assert_int_equal(o.heads, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_dumps_are_read_back),
        cmocka_unit_test(shards_join),
        cmocka_unit_test(values_that_are_not_finite_are_named),
        cmocka_unit_test(the_writer_refuses_bad_values),
        cmocka_unit_test(a_dump_appears_whole_or_not_at_all),
        cmocka_unit_test(the_writer_checks_tokens),
        cmocka_unit_test(manifests_that_lie_are_refused),
        cmocka_unit_test(fingerprints_follow_the_content),
        cmocka_unit_test(tokens_must_fit_the_rest),
        cmocka_unit_test(all_layouts_give_the_same_rows),
        cmocka_unit_test(files_are_joined),
        cmocka_unit_test(names_of_rows_in_arrays),
        cmocka_unit_test(bad_arrays_are_refused),
        cmocka_unit_test(bad_paths_are_refused),
        cmocka_unit_test(types_and_shapes_must_agree),
        cmocka_unit_test(the_tensor_is_chosen_by_name),
        cmocka_unit_test(token_ids_join_bare_arrays),
        cmocka_unit_test(ids_of_16_bits),
        cmocka_unit_test(fingerprints_of_arrays_follow_the_data),
        cmocka_unit_test(options_name_the_layouts),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
