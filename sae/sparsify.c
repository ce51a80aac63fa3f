/* SPDX-License-Identifier: MIT
 *
 * sparsify: cfg.json and sae.safetensors with encoder.weight (m, d),
 * encoder.bias, W_dec (m, d) and b_dec. TopK of (x − b_dec); transcoders, skip
 * connections and GroupMax are other functions.
 */
#include "sae/foreign.h"

#include <string.h>

#include "base/json.h"
#include "sae/tensors.h"

/* Of sparsify's configuration. */
enum { K_DEFAULT = 32, FACTOR_DEFAULT = 32 };

static const char *const names[] = {"encoder.weight", "encoder.bias", "W_dec",
                                    "b_dec", NULL};

static int refuse_flag(const json_t *cfg, const char *key, const char *where,
                       struct err *e)
{
    bool set;
    TRY(json_get_bool(&set, cfg, key, false, where, e));
    if (set)
        return err_set(e, ERR_INPUT, "%s: %s is not supported", where, key);
    return 0;
}

/* Its k; the tensors say the sizes, and the configuration must agree. */
static int read_config(struct sae *s, const json_t *cfg, const char *where,
                       struct err *e)
{
    const char *activation;
    int64_t d, latents, factor, k;
    if (!json_is_object(cfg))
        return err_set(e, ERR_INPUT, "%s: must be an object", where);
    TRY(json_get_string(&activation, cfg, "activation", "topk", where, e));
    if (strcmp(activation, "topk") != 0)
        return err_set(e, ERR_INPUT,
                       "%s: activation '%.40s' is not supported; only topk is",
                       where, activation);
    TRY(refuse_flag(cfg, "transcode", where, e));
    TRY(refuse_flag(cfg, "skip_connection", where, e));
    TRY(json_need_int(&d, cfg, "d_in", 1, SAE_WIDTH_MAX, where, e));
    TRY(json_get_int(&latents, cfg, "num_latents", 0, SAE_WIDTH_MAX, 0, where,
                     e));
    TRY(json_get_int(&factor, cfg, "expansion_factor", 1, SAE_WIDTH_MAX,
                     FACTOR_DEFAULT, where, e));
    if (latents == 0)
        latents = d * factor;
    if ((int64_t)s->d != d || (int64_t)s->m != latents)
        return err_set(e, ERR_INPUT,
                       "%s: d_in %d and %lld latents, but encoder.weight is "
                       "[%zu, %zu]",
                       where, (int)d, (long long)latents, s->m, s->d);
    TRY(json_get_int(&k, cfg, "k", 1, (int64_t)s->m, K_DEFAULT, where, e));
    if (k > (int64_t)s->m)
        return err_set(e, ERR_INPUT,
                       "%s: k is not given, and its default %d "
                       "is more than the %zu latents",
                       where, K_DEFAULT, s->m);
    s->k = (size_t)k;
    return 0;
}

static int read_tensors(struct sae *s, struct tensor_file *f, struct err *e)
{
    TRY(sae_read_vector(s, &s->b_enc, f, names[1], s->m, e));
    TRY(sae_read_vector(s, &s->b_dec, f, names[3], s->d, e));
    TRY(sae_read_matrix(s, &s->w_enc, f, names[0], FEATURE_MAJOR, e));
    TRY(sae_read_matrix(s, &s->w_dec, f, names[2], FEATURE_MAJOR, e));
    return sae_refuse_other_tensors(f, names, "sparsify's", e);
}

int sae_read_sparsify(struct sae *s, const struct sae_files *files,
                      struct err *e)
{
    struct tensor_file f;
    json_t *cfg = NULL;
    s->architecture = SAE_TOPK;
    s->apply_b_dec_to_input = true;
    TRY(tensor_file_open(&f, files->tensors, e));
    int code = sae_read_sizes(s, &f, names[0], FEATURE_MAJOR, e);
    if (code == 0)
        code = json_read(&cfg, files->config, e);
    if (code == 0)
        code = read_config(s, cfg, files->config, e);
    if (code == 0)
        code = read_tensors(s, &f, e);
    if (code == 0)
        code = sae_set_place(s, NULL, -1, "unknown", e);
    json_decref(cfg);
    tensor_file_close(&f);
    return code;
}

static int put_tensors(const struct sae *s, const float *b_enc,
                       const char *path, struct err *e)
{
    int64_t d = (int64_t)s->d, m = (int64_t)s->m;
    const struct safetensors_entry entries[] = {
        {names[0], DTYPE_F32, 2, {m, d}},
        {names[1], DTYPE_F32, 1, {m}},
        {names[2], DTYPE_F32, 2, {m, d}},
        {names[3], DTYPE_F32, 1, {d}},
    };
    size_t width = sizeof(float);
    struct safetensors_writer w = {0};
    int code = safetensors_begin(&w, path, entries, 4, e);
    if (code == 0)
        code = safetensors_put(&w, s->w_enc, s->m * s->d * width, e);
    if (code == 0)
        code = safetensors_put(&w, b_enc, s->m * width, e);
    if (code == 0)
        code = safetensors_put(&w, s->w_dec, s->m * s->d * width, e);
    if (code == 0)
        code = safetensors_put(&w, s->b_dec, s->d * width, e);
    if (code == 0)
        code = safetensors_end(&w, e);
    safetensors_abandon(&w);
    return code;
}

/* normalize_decoder is about training; rows keep the length that they have. */
int sae_write_sparsify(const struct sae *s, const char *folder, struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    struct arena arena = {0};
    float *b_enc;
    TRY(output_join(path, folder, "sae.safetensors", e));
    int code = sae_encoder_bias(&b_enc, s, true, &arena, e);
    if (code == 0)
        code = put_tensors(s, b_enc, path, e);
    arena_free(&arena);
    TRY(code);
    json_t *cfg = json_pack(
        "{s:s, s:I, s:b, s:I, s:I, s:b, s:b, s:b, s:I}", "activation", "topk",
        "expansion_factor", (json_int_t)(s->m / s->d > 0 ? s->m / s->d : 1),
        "normalize_decoder", (int)sae_has_unit_rows(s), "num_latents",
        (json_int_t)s->m, "k", (json_int_t)s->k, "multi_topk", 0,
        "skip_connection", 0, "transcode", 0, "d_in", (json_int_t)s->d);
    return sae_write_config(folder, "cfg.json", cfg, e);
}
