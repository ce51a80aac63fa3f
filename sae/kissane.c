/* SPDX-License-Identifier: MIT
 *
 * Kissane et al.'s SAEs of attention outputs: NAME.pt, a state dict with W_enc
 * (d, m), b_enc, W_dec (m, d) and b_dec, and NAME_cfg.json with act_name,
 * act_size, dict_size and what it was trained with. max(h, 0) of (x − b_dec).
 */
#include "sae/foreign.h"

#include <stdio.h>

#include "base/json.h"
#include "sae/config.h"
#include "sae/tensors.h"

static const char *const names[] = {"W_enc", "b_enc", "W_dec", "b_dec", NULL};

static int read_config(struct sae *s, const json_t *cfg, const char *where,
                       struct err *e)
{
    const char *hook, *model;
    int64_t d, m;
    if (!json_is_object(cfg))
        return err_set(e, ERR_INPUT, "%s: must be an object", where);
    TRY(json_need_string(&hook, cfg, "act_name", where, e));
    TRY(json_get_string(&model, cfg, "model_name", "unknown", where, e));
    TRY(json_get_int(&d, cfg, "act_size", 1, SAE_WIDTH_MAX, (int64_t)s->d,
                     where, e));
    TRY(json_get_int(&m, cfg, "dict_size", 1, SAE_WIDTH_MAX, (int64_t)s->m,
                     where, e));
    if (d != (int64_t)s->d || m != (int64_t)s->m)
        return err_set(e, ERR_INPUT,
                       "%s: act_size %d and dict_size %d, but W_enc is [%zu, "
                       "%zu]",
                       where, (int)d, (int)m, s->d, s->m);
    return sae_config_place(s, hook, model, where, e);
}

static int read_tensors(struct sae *s, struct tensor_file *f, struct err *e)
{
    TRY(sae_read_vector(s, &s->b_enc, f, "b_enc", s->m, e));
    TRY(sae_read_vector(s, &s->b_dec, f, "b_dec", s->d, e));
    TRY(sae_read_matrix(s, &s->w_enc, f, "W_enc", INPUT_MAJOR, e));
    TRY(sae_read_matrix(s, &s->w_dec, f, "W_dec", FEATURE_MAJOR, e));
    return sae_refuse_other_tensors(f, names, "Kissane's", e);
}

int sae_read_kissane(struct sae *s, const struct sae_files *files,
                     struct err *e)
{
    struct tensor_file f;
    json_t *cfg = NULL;
    s->architecture = SAE_STANDARD;
    s->apply_b_dec_to_input = true;
    TRY(tensor_file_open(&f, files->tensors, e));
    int code = sae_read_sizes(s, &f, "W_enc", INPUT_MAJOR, e);
    if (code == 0)
        code = json_read(&cfg, files->config, e);
    if (code == 0)
        code = read_config(s, cfg, files->config, e);
    if (code == 0)
        code = read_tensors(s, &f, e);
    json_decref(cfg);
    tensor_file_close(&f);
    return code;
}

static int write_tensors(const struct sae *s, const char *path,
                         struct arena *arena, struct err *e)
{
    float *w_enc, *b_enc;
    TRY(sae_by_input(&w_enc, s, s->w_enc, arena, e));
    TRY(sae_encoder_bias(&b_enc, s, true, arena, e));
    const struct tensor_entry entries[] = {
        sae_matrix_entry("W_enc", s, w_enc, INPUT_MAJOR),
        sae_vector_entry("b_enc", b_enc, s->m),
        sae_matrix_entry("W_dec", s, s->w_dec, FEATURE_MAJOR),
        sae_vector_entry("b_dec", s->b_dec, s->d),
    };
    return tensor_file_write_state_dict(path, entries, 4, e);
}

int sae_write_kissane(const struct sae *s, const char *folder, struct err *e)
{
    char name[300], path[OUTPUT_PATH_MAX];
    struct arena arena = {0};
    (void)snprintf(name, sizeof name, "%.255s.pt", s->name);
    TRY(output_join(path, folder, name, e));
    int code = write_tensors(s, path, &arena, e);
    arena_free(&arena);
    TRY(code);
    sae_export_marker(name, sizeof name, s, SAE_FORMAT_KISSANE);
    json_t *cfg =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:s}", "act_name", s->hook,
                  "model_name", s->model, "site", "z", "layer",
                  (json_int_t)s->layer, "act_size", (json_int_t)s->d,
                  "dict_size", (json_int_t)s->m, "enc_dtype", "fp32");
    return sae_write_config(folder, name, cfg, e);
}
