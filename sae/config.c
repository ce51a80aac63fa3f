/* SPDX-License-Identifier: MIT */
#include "sae/config.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "sae/tensors.h"

/* The format we write is the one of this release. */
static const char sae_lens_version[] = "6.18.0";

enum { HEAD_MAX = 65535 };

/* cfg.json, and where it keeps what is known about the model. */
struct config {
    const json_t *cfg;
    const json_t *model;
    bool old; /* of SAELens before 6 */
    const char *where;
};

/* As SAELens decides it: without a version, or below 6, it is the old form. */
static int open_config(struct config *c, const json_t *cfg, const char *where,
                       struct err *e)
{
    *c = (struct config){.cfg = cfg, .where = where};
    if (!json_is_object(cfg))
        return err_set(e, ERR_INPUT, "%s: must be an object", where);
    c->model = json_object_get(cfg, "metadata");
    const char *version;
    int major = 0;
    TRY(json_get_string(&version, cfg, "sae_lens_version", NULL, where, e));
    if (version == NULL)
        TRY(json_get_string(&version, c->model, "sae_lens_version", "", where,
                            e));
    c->old = sscanf(version, "%4d", &major) != 1 || major < 6;
    if (c->old)
        c->model = cfg;
    return 0;
}

/* ---- which rule ---- */

static int parse_architecture(struct sae *s, const char *name,
                              const char *where, struct err *e)
{
    for (int a = SAE_STANDARD; a <= SAE_GATED; a++)
        if (strcmp(name, sae_architecture_name((enum sae_architecture)a)) ==
            0) {
            s->architecture = (enum sae_architecture)a;
            return 0;
        }
    return err_set(e, ERR_INPUT,
                   "%s: architecture '%.60s' is not one of standard, topk, "
                   "jumprelu, gated",
                   where, name);
}

/* Before 6 a TopK SAE was a standard one with another activation function. */
static int read_old_rule(struct sae *s, int64_t *k, const struct config *c,
                         struct err *e)
{
    const char *architecture, *function;
    TRY(json_get_string(&architecture, c->cfg, "architecture", "standard",
                        c->where, e));
    TRY(json_get_string(&function, c->cfg, "activation_fn", "relu", c->where,
                        e));
    TRY(json_get_string(&function, c->cfg, "activation_fn_str", function,
                        c->where, e));
    TRY(parse_architecture(s, architecture, c->where, e));
    if (strcmp(function, "topk") == 0 && s->architecture == SAE_STANDARD)
        s->architecture = SAE_TOPK;
    else if (strcmp(function, "relu") != 0 && s->architecture != SAE_TOPK)
        return err_set(e, ERR_INPUT,
                       "%s: activation_fn_str '%.60s' is not supported with "
                       "architecture '%s'",
                       c->where, function, architecture);
    const json_t *options = json_object_get(c->cfg, "activation_fn_kwargs");
    if (s->architecture == SAE_TOPK && json_object_get(options, "k") != NULL)
        return json_need_int(k, options, "k", 1, SAE_WIDTH_MAX, c->where, e);
    return 0;
}

static int read_rule(struct sae *s, const struct config *c, struct err *e)
{
    int64_t k = 0, d, m;
    const char *architecture;
    if (c->old) {
        TRY(read_old_rule(s, &k, c, e));
    } else {
        TRY(json_need_string(&architecture, c->cfg, "architecture", c->where,
                             e));
        TRY(parse_architecture(s, architecture, c->where, e));
    }
    TRY(json_need_int(&d, c->cfg, "d_in", 1, SAE_WIDTH_MAX, c->where, e));
    TRY(json_need_int(&m, c->cfg, "d_sae", 1, SAE_WIDTH_MAX, c->where, e));
    if (s->architecture == SAE_TOPK && k == 0)
        TRY(json_need_int(&k, c->cfg, "k", 1, m, c->where, e));
    if (k > m)
        return err_set(e, ERR_INPUT, "%s: 'k' is %d, outside 1..%d", c->where,
                       (int)k, (int)m);
    s->d = (size_t)d;
    s->m = (size_t)m;
    s->k = (size_t)k;
    return 0;
}

/* ---- settings ---- */

static int check_normalisation(const struct config *c, struct err *e)
{
    const char *name;
    const json_t *flag = json_object_get(c->cfg, "normalize_activations");
    if (c->old && json_is_boolean(flag)) /* true meant the mean norm */
        name = json_is_true(flag) ? "expected_average_only_in" : "none";
    else
        TRY(json_get_string(&name, c->cfg, "normalize_activations", "none",
                            c->where, e));
    if (strcmp(name, "none") == 0)
        return 0;
    return err_set(e, ERR_INPUT,
                   "%s: normalize_activations '%.60s' is not supported; fold "
                   "it into the weights and write \"none\"",
                   c->where, name);
}

/* Settings that change the arithmetic and that we do not have. */
static int refuse_foreign_settings(const struct config *c, struct err *e)
{
    const char *shape;
    TRY(check_normalisation(c, e));
    TRY(json_get_string(&shape, c->cfg, "reshape_activations", "none", c->where,
                        e));
    if (strcmp(shape, "none") != 0 && strcmp(shape, "hook_z") != 0)
        return err_set(e, ERR_INPUT,
                       "%s: reshape_activations '%.60s' is not one of none, "
                       "hook_z",
                       c->where, shape);
    return 0;
}

/* "blocks.3.attn.hook_z" gives 3; -1 if the name has no layer. */
static int layer_of_hook(const char *hook)
{
    int layer, end = 0;
    if (sscanf(hook, "blocks.%4d.%n", &layer, &end) == 1 && end > 0 &&
        layer >= 0)
        return layer;
    return -1;
}

/* Of another place in the model it is an SAE of something else. */
static int check_hook(const char *hook, const char *where, struct err *e)
{
    static const char z[] = "attn.hook_z";
    size_t length = strlen(hook);
    if (length == 0 || (length >= sizeof z - 1 &&
                        strcmp(hook + length - sizeof z + 1, z) == 0))
        return 0;
    return err_set(e, ERR_INPUT,
                   "%s: an SAE of '%.60s'; must be of z, blocks.N.attn.hook_z",
                   where, hook);
}

int sae_config_place(struct sae *s, const char *hook, const char *model,
                     const char *where, struct err *e)
{
    TRY(check_hook(hook, where, e));
    return sae_set_place(s, hook, layer_of_hook(hook), model, e);
}

static int read_place(struct sae *s, const struct config *c, struct err *e)
{
    const char *hook, *model, *where = c->where;
    int64_t head;
    TRY(json_get_string(&hook, c->model, "hook_point", "", where, e));
    TRY(json_get_string(&hook, c->model, "hook_name", hook, where, e));
    TRY(json_get_string(&model, c->model, "model_name", "unknown", where, e));
    TRY(json_get_int(&head, c->model, "hook_point_head_index", 0, HEAD_MAX, -1,
                     where, e));
    TRY(json_get_int(&head, c->model, "hook_head_index", 0, HEAD_MAX, head,
                     where, e));
    s->head = (int)head;
    return sae_config_place(s, hook, model, where, e);
}

int sae_config_read(struct sae *s, bool *rescale, const json_t *cfg,
                    const char *where, struct err *e)
{
    struct config c;
    TRY(open_config(&c, cfg, where, e));
    TRY(read_rule(s, &c, e));
    TRY(refuse_foreign_settings(&c, e));
    TRY(json_get_bool(&s->apply_b_dec_to_input, cfg, "apply_b_dec_to_input",
                      true, where, e));
    /* SAELens has the setting for topk only, and ignores it elsewhere: a
     * BatchTopK trained with it is saved with its norms folded in. */
    TRY(json_get_bool(rescale, cfg, "rescale_acts_by_decoder_norm", false,
                      where, e));
    *rescale = *rescale && s->architecture == SAE_TOPK;
    return read_place(s, &c, e);
}

/* ---- writing ---- */

json_t *sae_config_write(const struct sae *s, const json_t *extra)
{
    /* z of several heads is flattened; of one head it is picked. */
    bool flat =
        s->hook[0] != '\0' && (s->heads > 1 || (s->heads == 0 && s->head < 0));
    const json_t *rows = json_object_get(extra, "rows");
    const char *kind = json_string_value(json_object_get(rows, "kind"));
    enum sae_architecture rule =
        s->architecture == SAE_GATED ? SAE_JUMPRELU : s->architecture;
    json_t *head = NULL, *given = NULL;
    if (rows == NULL && s->head >= 0)
        head = given = json_integer(s->head);
    else if (kind != NULL && strcmp(kind, "head") == 0)
        head = json_array_get(json_object_get(rows, "heads"), 0);
    json_t *meta = json_pack(
        "{s:s, s:s, s:s, s:O?, s:s, s:{}, s:O?, s:O?}", "sae_lens_version",
        sae_lens_version, "model_name", s->model, "hook_name", s->hook,
        "hook_head_index", head, "model_class_name", "HookedTransformer",
        "model_from_pretrained_kwargs", "training_architecture",
        json_object_get(extra, "training_architecture"), "metrics",
        json_object_get(extra, "metrics"));
    json_decref(given);
    json_t *cfg = json_pack(
        "{s:s, s:I, s:I, s:s, s:s, s:b, s:s, s:s, s:o}", "architecture",
        sae_architecture_name(rule), "d_in", (json_int_t)s->d, "d_sae",
        (json_int_t)s->m, "dtype", "float32", "device", "cpu",
        "apply_b_dec_to_input", s->apply_b_dec_to_input,
        "normalize_activations", "none", "reshape_activations",
        flat ? "hook_z" : "none", "metadata", meta);
    if (cfg != NULL && rule == SAE_TOPK &&
        (json_object_set_new(cfg, "k", json_integer((json_int_t)s->k)) != 0 ||
         json_object_set_new(cfg, "rescale_acts_by_decoder_norm",
                             json_false()) != 0)) {
        json_decref(cfg);
        cfg = NULL;
    }
    return cfg;
}
