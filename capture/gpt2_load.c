/* SPDX-License-Identifier: MIT */
#include "capture/gpt2.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/output.h"
#include "dump/dump.h"
#include "dump/safetensors.h"
#include "kernels/kernels.h"

/* ---- config.json ---- */

/* Settings that change the computation, and the only value they may have. */
static const struct {
    const char *key;
    bool required;
} fixed_settings[] = {
    {"scale_attn_weights", true},
    {"scale_attn_by_inverse_layer_idx", false},
    {"reorder_and_upcast_attn", false},
    {"add_cross_attention", false},
};

static int check_settings(const json_t *root, const char *path, struct err *e)
{
    const char *type;
    TRY(json_get_string(&type, root, "model_type", "gpt2", path, e));
    if (strcmp(type, "gpt2") != 0)
        return err_set(e, ERR_INPUT,
                       "%s: model_type is '%s'; only gpt2 can be captured",
                       path, type);
    for (size_t i = 0; i < sizeof fixed_settings / sizeof *fixed_settings;
         i++) {
        bool value, required = fixed_settings[i].required;
        TRY(json_get_bool(&value, root, fixed_settings[i].key, required, path,
                          e));
        if (value != required)
            return err_set(e, ERR_INPUT, "%s: '%s' must be %s", path,
                           fixed_settings[i].key, required ? "true" : "false");
    }
    return 0;
}

static int read_activation(enum activation *out, const json_t *root,
                           const char *path, struct err *e)
{
    static const char *const names[] = {
        [ACTIVATION_GELU_NEW] = "gelu_new",
        [ACTIVATION_GELU] = "gelu",
        [ACTIVATION_RELU] = "relu",
    };
    const char *name;
    TRY(json_get_string(&name, root, "activation_function", "gelu_new", path,
                        e));
    for (int i = 0; i <= ACTIVATION_RELU; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (enum activation)i;
            return 0;
        }
    return err_set(e, ERR_INPUT,
                   "%s: activation_function is '%s'; only gelu_new, gelu and "
                   "relu are supported",
                   path, name);
}

static int need_size(int *out, const json_t *root, const char *key, int max,
                     const char *path, struct err *e)
{
    int64_t value;
    TRY(json_need_int(&value, root, key, 1, max, path, e));
    *out = (int)value;
    return 0;
}

/* The maxima keep products of two sizes within an int, as BLAS needs. */
static int read_sizes(struct gpt2_config *c, const json_t *root,
                      const char *path, struct err *e)
{
    int64_t d_mlp;
    double epsilon;
    TRY(need_size(&c->layers, root, "n_layer", DUMP_LAYERS_MAX, path, e));
    TRY(need_size(&c->d_model, root, "n_embd", 1 << 14, path, e));
    TRY(need_size(&c->heads, root, "n_head", c->d_model, path, e));
    TRY(need_size(&c->positions, root, "n_positions", 1 << 20, path, e));
    TRY(need_size(&c->vocab, root, "vocab_size", 1 << 24, path, e));
    TRY(json_get_int(&d_mlp, root, "n_inner", 1, 1 << 16, 4 * c->d_model, path,
                     e));
    TRY(json_get_real(&epsilon, root, "layer_norm_epsilon", 1e-5, path, e));
    if (c->d_model % c->heads != 0)
        return err_set(e, ERR_INPUT,
                       "%s: n_embd %d is no multiple of n_head %d", path,
                       c->d_model, c->heads);
    if (!(epsilon > 0 && epsilon < 1))
        return err_set(e, ERR_INPUT,
                       "%s: layer_norm_epsilon %g must be between 0 and 1",
                       path, epsilon);
    c->d_head = c->d_model / c->heads;
    c->d_mlp = (int)d_mlp;
    c->epsilon = (float)epsilon;
    return 0;
}

static int read_config(struct gpt2_config *c, bool *tied, const char *path,
                       struct err *e)
{
    json_t *root;
    TRY(json_read(&root, path, e));
    int code = check_settings(root, path, e);
    if (code == 0)
        code = read_sizes(c, root, path, e);
    if (code == 0)
        code = read_activation(&c->activation, root, path, e);
    if (code == 0)
        code = json_get_bool(tied, root, "tie_word_embeddings", true, path, e);
    json_decref(root);
    return code;
}

/* ---- model.safetensors ---- */

struct loader {
    struct gpt2 *g;
    const struct safetensors *file;
    const char *path;
    const char *prefix; /* "transformer." or "" */
    struct fingerprint *fingerprint;
};

static int check_tensor(const struct tensor *t, const int64_t shape[2],
                        int rank, struct err *e)
{
    struct tensor wanted = {.dtype = t->dtype, .rank = rank};
    memcpy(wanted.shape, shape, (size_t)rank * sizeof *shape);
    char have[160], want[160];
    tensor_describe(have, sizeof have, t);
    tensor_describe(want, sizeof want, &wanted);
    if (!dtype_is_activation(t->dtype))
        return err_set(e, ERR_INPUT, "%s; only f32, f16 and bf16 are read",
                       have);
    if (t->rank != rank ||
        memcmp(t->shape, shape, (size_t)rank * sizeof *shape) != 0)
        return err_set(e, ERR_INPUT, "%s, but config.json asks for %s", have,
                       want);
    return 0;
}

/* Loads "<name><part>" as a matrix, or with rows 0 as a vector. */
static int load(const struct loader *l, float **out, const char *name,
                const char *part, int rows, int cols, struct err *e)
{
    char full[256];
    const int64_t shape[2] = {rows > 0 ? rows : cols, cols};
    (void)snprintf(full, sizeof full, "%s%s", name, part);
    const struct tensor *t = safetensors_find(l->file, full);
    if (t == NULL)
        return err_set(e, ERR_INPUT, "%s: no tensor '%s'", l->path, full);
    if (check_tensor(t, shape, rows > 0 ? 2 : 1, e) != 0)
        return err_prefix(e, "%s: %s", l->path, full);
    size_t n = tensor_count(t);
    float *copy;
    TRY(arena_get(&l->g->arena, &copy, n, sizeof *copy, full, e));
    tensor_to_float(copy, t, 0, n);
    size_t bad = kernels.first_not_finite(copy, n);
    if (bad < n)
        return err_set(e, ERR_INPUT, "%s: %s: element %zu is not finite",
                       l->path, full, bad);
    fingerprint_add(l->fingerprint, copy, n * sizeof *copy);
    *out = copy;
    return 0;
}

static int load_linear(const struct loader *l, struct linear *out,
                       const char *name, int d_in, int d_out, struct err *e)
{
    out->in = d_in;
    out->out = d_out;
    TRY(load(l, &out->weight, name, ".weight", d_in, d_out, e));
    return load(l, &out->bias, name, ".bias", 0, d_out, e);
}

static int load_norm(const struct loader *l, struct layer_norm *out,
                     const char *name, struct err *e)
{
    int d = l->g->config.d_model;
    TRY(load(l, &out->weight, name, ".weight", 0, d, e));
    return load(l, &out->bias, name, ".bias", 0, d, e);
}

static int load_layer(const struct loader *l, int index, struct err *e)
{
    const struct gpt2_config *c = &l->g->config;
    struct gpt2_layer *layer = &l->g->layer[index];
    int d = c->d_model;
    const struct {
        const char *name;
        struct layer_norm *norm;
        struct linear *linear;
        int in, out;
    } parts[] = {
        {"ln_1", &layer->ln_1, NULL, 0, 0},
        {"attn.c_attn", NULL, &layer->c_attn, d, 3 * d},
        {"attn.c_proj", NULL, &layer->attn_proj, d, d},
        {"ln_2", &layer->ln_2, NULL, 0, 0},
        {"mlp.c_fc", NULL, &layer->c_fc, d, c->d_mlp},
        {"mlp.c_proj", NULL, &layer->mlp_proj, c->d_mlp, d},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char name[160];
        (void)snprintf(name, sizeof name, "%sh.%d.%s", l->prefix, index,
                       parts[i].name);
        if (parts[i].norm != NULL)
            TRY(load_norm(l, parts[i].norm, name, e));
        else
            TRY(load_linear(l, parts[i].linear, name, parts[i].in, parts[i].out,
                            e));
    }
    return 0;
}

/* A file with more layers than the config would lose them without a word. */
static int check_no_more_layers(const struct loader *l, struct err *e)
{
    char name[160];
    int layers = l->g->config.layers;
    (void)snprintf(name, sizeof name, "%sh.%d.ln_1.weight", l->prefix, layers);
    if (safetensors_find(l->file, name) == NULL)
        return 0;
    return err_set(e, ERR_INPUT,
                   "%s: holds '%s', but config.json says n_layer is %d",
                   l->path, name, layers);
}

static int load_all(const struct loader *l, bool tied, struct err *e)
{
    struct gpt2 *g = l->g;
    const struct gpt2_config *c = &g->config;
    char name[160];
    (void)snprintf(name, sizeof name, "%swte", l->prefix);
    TRY(load(l, &g->wte, name, ".weight", c->vocab, c->d_model, e));
    (void)snprintf(name, sizeof name, "%swpe", l->prefix);
    TRY(load(l, &g->wpe, name, ".weight", c->positions, c->d_model, e));
    TRY(check_no_more_layers(l, e));
    TRY(arena_get(&g->arena, &g->layer, (size_t)c->layers, sizeof *g->layer,
                  "layers", e));
    for (int i = 0; i < c->layers; i++)
        TRY(load_layer(l, i, e));
    (void)snprintf(name, sizeof name, "%sln_f", l->prefix);
    TRY(load_norm(l, &g->ln_f, name, e));
    g->head = g->wte;
    if (!tied)
        TRY(load(l, &g->head, "lm_head", ".weight", c->vocab, c->d_model, e));
    return 0;
}

int gpt2_open(struct gpt2 *g, const char *folder, struct err *e)
{
    static const char prefix[] = "transformer.";
    char config[OUTPUT_PATH_MAX], weights[OUTPUT_PATH_MAX];
    bool tied;
    struct safetensors file;
    *g = (struct gpt2){0};
    TRY(output_join(config, folder, "config.json", e));
    TRY(output_join(weights, folder, "model.safetensors", e));
    TRY(read_config(&g->config, &tied, config, e));
    TRY(safetensors_open(&file, weights, e));
    bool prefixed = safetensors_find(&file, "transformer.wte.weight") != NULL;
    struct fingerprint f;
    struct loader l = {g, &file, weights, prefixed ? prefix : "", &f};
    int code = fingerprint_begin(&f, e);
    if (code == 0) {
        fingerprint_add(&f, &g->config, sizeof g->config);
        code = load_all(&l, tied, e);
        fingerprint_end(&f, code == 0 ? g->fingerprint : NULL);
    }
    safetensors_close(&file);
    if (code != 0)
        gpt2_close(g);
    return code;
}

/* In double, and in the order of the value's dimensions. */
static void fold_layer(const struct linear *c_attn, const struct linear *proj)
{
    size_t d = (size_t)proj->out;
    float *b_v = c_attn->bias + 2 * d;
    for (size_t j = 0; j < d; j++) {
        double sum = (double)proj->bias[j];
        for (size_t i = 0; i < d; i++)
            sum += (double)b_v[i] * (double)proj->weight[i * d + j];
        proj->bias[j] = (float)sum;
    }
    memset(b_v, 0, d * sizeof *b_v);
}

void gpt2_fold_value_biases(struct gpt2 *g)
{
    for (int l = 0; l < g->config.layers; l++)
        fold_layer(&g->layer[l].c_attn, &g->layer[l].attn_proj);
    g->folded = true;
}

void gpt2_close(struct gpt2 *g)
{
    arena_free(&g->arena);
    *g = (struct gpt2){0};
}
