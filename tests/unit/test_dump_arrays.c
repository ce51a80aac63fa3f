/* SPDX-License-Identifier: MIT
 *
 * Bare arrays. Catches: layouts that mix up axes, options silently ignored,
 * files joined that do not fit, and token ids misread.
 */
#include "dump_fixture.h"

#include <math.h>
#include <sys/stat.h>

#include "dump/npy.h"
#include "dump/safetensors.h"
#include "kernels/kernels.h"

static void narrow(uint16_t *out, enum dtype dtype, const float *in, size_t n)
{
    if (dtype == DTYPE_BF16)
        kernels.f32_to_bf16(out, in, n);
    else
        kernels.f32_to_f16(out, in, n);
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
         "--row-heads 7: the width 256 of bad.npy is no multiple"},
        {{.layout = LAYOUT_TOKENS_D, .heads = 16}, 2, {2, 8}, "--row-heads 16"},
        {{.layout = LAYOUT_TOKENS_HEADS_DHEAD, .heads = 3},
         3,
         {2, 2, 4},
         "--row-heads 3: bad.npy has 2 heads"},
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
                                     DUMP_OPTION_COUNT, &o, NULL};
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
