/* SPDX-License-Identifier: MIT
 *
 * Catches: a forward pass that differs from the reference, in any layer, head
 * or position; contexts of a batch that see each other; weights misread in a
 * half-width type or under the longer names; an early stop that changes what
 * was computed; and models that would be run wrongly instead of refused.
 */
#include "scratch.h"

#include <math.h>

#include "base/json.h"
#include "base/map.h"
#include "base/rng.h"
#include "base/team.h"
#include "capture/gpt2.h"
#include "dump/npy.h"
#include "dump/safetensors.h"
#include "kernels/kernels.h"

#define MODEL SOURCE_DIR "/examples/tiny-gpt2"
#define GOLDEN SOURCE_DIR "/tests/golden/tiny-gpt2"

enum { LAYERS = 4, D = 256, VOCAB = 2048, ROWS = 512, PROMPTS = 6 };

static struct gpt2 model;
static struct gpt2_workspace workspace;
static float z_store[LAYERS][ROWS * D], other_store[LAYERS][ROWS * D];
static float *const z[LAYERS] = {z_store[0], z_store[1], z_store[2],
                                 z_store[3]};
static float *const other[LAYERS] = {other_store[0], other_store[1],
                                     other_store[2], other_store[3]};

static int begin(void **state)
{
    struct err e = {0};
    (void)team_make(1);
    if (gpt2_open(&model, MODEL, &e) != 0 ||
        gpt2_workspace_open(&workspace, &model, ROWS, &e) != 0) {
        print_error("%s\n", e.msg);
        return -1;
    }
    return scratch_begin(state);
}

static int end(void **state)
{
    gpt2_workspace_close(&workspace);
    gpt2_close(&model);
    return scratch_end(state);
}

/* The largest difference as a share of the largest |b|. */
static double difference(const float *a, const float *b, size_t n)
{
    double most = 0, largest = 0;
    for (size_t i = 0; i < n; i++) {
        assert_true(isfinite(a[i]));
        most = fmax(most, fabs((double)a[i] - b[i]));
        largest = fmax(largest, fabs((double)b[i]));
    }
    return most / largest;
}

static struct npy open_golden(int prompt, const char *what)
{
    struct npy a;
    struct err e = {0};
    char path[512];
    (void)snprintf(path, sizeof path, GOLDEN "/p%d_%s.npy", prompt, what);
    if (npy_open(&a, path, &e) != 0)
        fail_msg("%s", e.msg);
    return a;
}

/* Runs one context from row 0 on. */
static void run(const struct gpt2 *g, const int32_t *ids, size_t n,
                float *const *out, bool to_end)
{
    const int64_t starts[] = {0, (int64_t)n};
    const struct gpt2_batch batch = {ids, starts, 1};
    const struct gpt2_tap tap = {.z = out, .to_end = to_end};
    gpt2_forward(g, &workspace, &batch, &tap);
}

/* ---- against the reference ---- */

/* The issue asks for 1e-4; f32 rounding accounts for about 1e-6. */
static void z_is_that_of_the_reference(void **state)
{
    (void)state;
    for (int p = 0; p < PROMPTS; p++) {
        struct npy ids = open_golden(p, "ids"), golden = open_golden(p, "z");
        size_t n = (size_t)ids.tensor.shape[0];
        assert_int_equal(tensor_count(&golden.tensor), n * LAYERS * D);
        run(&model, ids.tensor.data, n, z, false);
        const float *expected = golden.tensor.data; /* (n, layers, d) */
        static float got[ROWS * LAYERS * D];
        for (size_t row = 0; row < n; row++)
            for (size_t l = 0; l < LAYERS; l++)
                memcpy(got + (row * LAYERS + l) * D, z[l] + row * D,
                       D * sizeof *got);
        assert_true(difference(got, expected, n * LAYERS * D) < 1e-5);
        npy_close(&ids);
        npy_close(&golden);
    }
}

static void logits_are_those_of_the_reference(void **state)
{
    (void)state;
    static float logits[2 * VOCAB];
    for (int p = 0; p < PROMPTS; p++) {
        struct npy ids = open_golden(p, "ids");
        struct npy golden = open_golden(p, "logits_last");
        size_t n = (size_t)ids.tensor.shape[0], from = n > 1 ? n - 2 : 0;
        run(&model, ids.tensor.data, n, z, true);
        gpt2_logits(&model, &workspace, logits, workspace.x + from * D,
                    n - from);
        assert_true(difference(logits + (n - from - 1) * VOCAB,
                               golden.tensor.data, VOCAB) < 1e-5);
        npy_close(&ids);
        npy_close(&golden);
    }
}

/* ---- batches and early stops ---- */

static void contexts_of_a_batch_do_not_see_each_other(void **state)
{
    (void)state;
    static const int64_t lengths[] = {1, 200, 33, 32, 31, 64, 2};
    enum { CONTEXTS = 7 };
    int32_t ids[ROWS];
    int64_t starts[CONTEXTS + 1] = {100};
    struct rng r = rng_at(2, RNG_TEST, 0);
    for (int i = 0; i < ROWS; i++)
        ids[i] = (int32_t)rng_below(&r, VOCAB);
    for (int k = 0; k < CONTEXTS; k++)
        starts[k + 1] = starts[k] + lengths[k];
    const struct gpt2_batch batch = {ids, starts, CONTEXTS};
    assert_int_equal(gpt2_batch_rows(&batch), 363);
    const struct gpt2_tap tap = {.z = z};
    gpt2_forward(&model, &workspace, &batch, &tap);
    for (int k = 0; k < CONTEXTS; k++) {
        size_t n = (size_t)lengths[k], at = (size_t)(starts[k] - starts[0]);
        run(&model, ids + starts[k], n, other, false);
        for (int l = 0; l < LAYERS; l++)
            assert_true(difference(z[l] + at * D, other[l], n * D) < 1e-5);
    }
}

static void later_tokens_do_not_change_earlier_rows(void **state)
{
    (void)state;
    int32_t ids[100];
    for (int i = 0; i < 100; i++)
        ids[i] = 7 * i;
    run(&model, ids, 100, z, false);
    for (int i = 70; i < 100; i++)
        ids[i] = 5;
    run(&model, ids, 100, other, false);
    assert_true(difference(z[3], other[3], 70 * D) < 1e-6);
    assert_true(difference(z[3] + 70 * D, other[3] + 70 * D, 30 * D) > 1e-2);
}

static void one_layer_alone_is_the_same_as_among_all(void **state)
{
    (void)state;
    int32_t ids[50];
    for (int i = 0; i < 50; i++)
        ids[i] = 40 * i;
    run(&model, ids, 50, z, true);
    for (int l = 0; l < LAYERS; l++) {
        float *alone[LAYERS] = {NULL};
        alone[l] = other[l];
        run(&model, ids, 50, alone, false);
        assert_memory_equal(z[l], other[l], 50 * D * sizeof(float));
    }
}

/* ---- folding ---- */

/* Where the value biases go must not matter to the model: the same logits; and
 * z must be short of exactly the biases. */
static void folding_moves_the_value_biases_and_nothing_else(void **state)
{
    (void)state;
    static float logits[ROWS * VOCAB], folded[ROWS * VOCAB];
    static float less[ROWS * D];
    struct gpt2 g;
    struct err e = {0};
    struct npy ids = open_golden(5, "ids");
    size_t n = (size_t)ids.tensor.shape[0];
    run(&model, ids.tensor.data, n, z, true);
    gpt2_logits(&model, &workspace, logits, workspace.x, n);
    assert_int_equal(gpt2_open(&g, MODEL, &e), 0);
    gpt2_fold_value_biases(&g);
    assert_string_equal(g.fingerprint, model.fingerprint);
    run(&g, ids.tensor.data, n, other, true);
    gpt2_logits(&g, &workspace, folded, workspace.x, n);
    assert_true(difference(folded, logits, n * VOCAB) < 1e-5);
    for (int l = 0; l < LAYERS; l++) {
        const float *b_v = model.layer[l].c_attn.bias + 2 * D;
        for (size_t i = 0; i < n * D; i++)
            less[i] = z[l][i] - b_v[i % D];
        assert_true(difference(other[l], less, n * D) < 1e-5);
        assert_true(difference(other[l], z[l], n * D) > 1e-3);
    }
    npy_close(&ids);
    gpt2_close(&g);
}

/* ---- other files ---- */

static void copy_config(void)
{
    struct map m;
    struct err e = {0};
    assert_int_equal(map_open(&m, MODEL "/config.json", &e), 0);
    write_bytes("config.json", m.data, m.size);
    map_close(&m);
}

/* How model.safetensors is written anew. */
struct rewrite {
    enum dtype dtype;
    const char *prefix;  /* before every name */
    const char *dropped; /* a tensor left out */
    const char *added;   /* one more, of 256 ones */
    const char *spoiled; /* one whose element 5 becomes NaN */
};

static void put_tensor(struct safetensors_writer *w, const struct tensor *t,
                       enum dtype dtype, bool spoil)
{
    struct err e = {0};
    size_t n = tensor_count(t);
    float *x = malloc(n * sizeof *x);
    uint16_t *half = malloc(n * sizeof *half);
    assert_true(x != NULL && half != NULL);
    tensor_to_float(x, t, 0, n);
    if (spoil)
        x[5] = NAN;
    if (dtype == DTYPE_F16)
        kernels.f32_to_f16(half, x, n);
    if (dtype == DTYPE_BF16)
        kernels.f32_to_bf16(half, x, n);
    const void *data = dtype == DTYPE_F32 ? (const void *)x : half;
    assert_int_equal(safetensors_put(w, data, n * dtype_size(dtype), &e), 0);
    free(x);
    free(half);
}

static bool is(const char *name, const char *wanted)
{
    return wanted != NULL && strcmp(name, wanted) == 0;
}

static void write_model(const struct rewrite *r)
{
    enum { MAX = 64 };
    struct safetensors_entry entries[MAX];
    static char names[MAX][80];
    static float ones[D];
    const struct tensor extra = {DTYPE_F32, 1, {D}, ones, sizeof ones};
    const struct tensor *tensors[MAX];
    struct safetensors s;
    struct safetensors_writer w;
    struct err e = {0};
    size_t n = 0;
    assert_int_equal(safetensors_open(&s, MODEL "/model.safetensors", &e), 0);
    for (size_t i = 0; i < s.n + (r->added != NULL); i++) {
        const char *name = i < s.n ? s.names[i] : r->added;
        const struct tensor *t = i < s.n ? &s.tensors[i] : &extra;
        if (is(name, r->dropped))
            continue;
        (void)snprintf(names[n], sizeof names[n], "%s%s", r->prefix, name);
        entries[n] =
            (struct safetensors_entry){names[n], r->dtype, t->rank, {0}};
        memcpy(entries[n].shape, t->shape, sizeof t->shape);
        tensors[n++] = t;
    }
    assert_int_equal(safetensors_begin(&w, "model.safetensors", entries, n, &e),
                     0);
    for (size_t i = 0; i < n; i++)
        put_tensor(&w, tensors[i], r->dtype,
                   is(names[i] + strlen(r->prefix), r->spoiled));
    assert_int_equal(safetensors_end(&w, &e), 0);
    safetensors_close(&s);
}

/* Each type's rounding, 2^-11 and 2^-8, through a few layers; and the buffers
 * that older files carry are passed over. */
static void half_width_weights_and_long_names_are_read(void **state)
{
    (void)state;
    static const struct {
        struct rewrite rewrite;
        double bound;
    } cases[] = {
        {{DTYPE_F32, "transformer.", NULL, "h.0.attn.masked_bias", NULL}, 1e-7},
        {{DTYPE_F16, "", NULL, "h.0.attn.bias", NULL}, 5e-3},
        {{DTYPE_BF16, "transformer.", NULL, NULL, NULL}, 5e-2},
    };
    struct npy ids = open_golden(4, "ids");
    size_t n = (size_t)ids.tensor.shape[0];
    run(&model, ids.tensor.data, n, z, false);
    copy_config();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct gpt2 g;
        struct err e = {0};
        write_model(&cases[i].rewrite);
        if (gpt2_open(&g, ".", &e) != 0)
            fail_msg("%s", e.msg);
        run(&g, ids.tensor.data, n, other, false);
        for (int l = 0; l < LAYERS; l++) {
            double moved = difference(other[l], z[l], n * D);
            assert_true(moved < cases[i].bound);
            assert_true((moved == 0) == (cases[i].rewrite.dtype == DTYPE_F32));
        }
        gpt2_close(&g);
    }
    npy_close(&ids);
}

static void assert_model_refused(const char *words)
{
    struct gpt2 g;
    struct err e = {0};
    assert_refused(gpt2_open(&g, ".", &e), &e, words);
}

static void files_that_disagree_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct rewrite rewrite;
        const char *words;
    } cases[] = {
        {{DTYPE_F32, "", "h.2.mlp.c_fc.bias", NULL, NULL},
         "no tensor 'h.2.mlp.c_fc.bias'; config.json asks for one like f32 "
         "[1024]"},
        {{DTYPE_F32, "", NULL, "h.4.ln_1.weight", NULL},
         "holds 'h.4.ln_1.weight', but config.json says n_layer is 4"},
        {{DTYPE_F32, "", NULL, NULL, "h.1.ln_2.bias"},
         "h.1.ln_2.bias: element 5 is not finite"},
        {{DTYPE_F32, "model.", NULL, NULL, NULL}, "no tensor 'wte.weight'"},
    };
    copy_config();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_model(&cases[i].rewrite);
        assert_model_refused(cases[i].words);
    }
    assert_int_equal(remove("model.safetensors"), 0);
    assert_model_refused("model.safetensors");
}

static void configs_that_ask_for_another_model_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *words;
    } cases[] = {
        {"activation_function", "\"silu\"", "'silu'"},
        {"scale_attn_weights", "false", "'scale_attn_weights' must be true"},
        {"scale_attn_by_inverse_layer_idx", "true", "must be false"},
        {"reorder_and_upcast_attn", "true", "must be false"},
        {"model_type", "\"llama\"", "only gpt2"},
        {"n_embd", "255", "no multiple of n_head"},
        {"n_embd", "128", "wte.weight: f32 [2048, 256], but config.json"},
        {"n_layer", "3", "holds 'h.3.ln_1.weight'"},
        {"n_layer", "5", "no tensor 'h.4.ln_1.weight'"},
        {"n_layer", "0", "'n_layer' is 0"},
        {"n_head", "-8", "'n_head' is -8"},
        {"n_inner", "512", "asks for f32 [256, 512]"},
        {"n_positions", "512", "asks for f32 [512, 256]"},
        {"vocab_size", "2049", "asks for f32 [2049, 256]"},
        {"layer_norm_epsilon", "0", "layer_norm_epsilon"},
        {"tie_word_embeddings", "false", "no tensor 'lm_head.weight'"},
    };
    write_model(&(struct rewrite){DTYPE_F32, "", NULL, NULL, NULL});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *root;
        struct err e = {0};
        assert_int_equal(json_read(&root, MODEL "/config.json", &e), 0);
        json_t *value = json_loads(cases[i].value, JSON_DECODE_ANY, NULL);
        assert_int_equal(json_object_set_new(root, cases[i].key, value), 0);
        assert_int_equal(json_write("config.json", root, &e), 0);
        json_decref(root);
        assert_model_refused(cases[i].words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(z_is_that_of_the_reference),
        cmocka_unit_test(logits_are_those_of_the_reference),
        cmocka_unit_test(contexts_of_a_batch_do_not_see_each_other),
        cmocka_unit_test(later_tokens_do_not_change_earlier_rows),
        cmocka_unit_test(one_layer_alone_is_the_same_as_among_all),
        cmocka_unit_test(folding_moves_the_value_biases_and_nothing_else),
        cmocka_unit_test(half_width_weights_and_long_names_are_read),
        cmocka_unit_test(files_that_disagree_are_refused),
        cmocka_unit_test(configs_that_ask_for_another_model_are_refused),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
