/* SPDX-License-Identifier: MIT */
#include "capture/gpt2_config.h"

#include <string.h>

#include "base/json.h"
#include "dump/dump.h"

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

int gpt2_config_read(struct gpt2_config *c, bool *tied, const char *path,
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
