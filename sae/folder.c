/* SPDX-License-Identifier: MIT
 *
 * The SAE folder: what SAELens loads with SAE.load_from_disk, and our own
 * headscope.json beside it. docs/formats.md has tensors and keys.
 */
#include "sae/sae.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/output.h"
#include "sae/config.h"
#include "sae/foreign.h"
#include "sae/tensors.h"

/* ---- reading ---- */

static const char *const tensor_names[][8] = {
    [SAE_STANDARD] = {"W_enc", "W_dec", "b_enc", "b_dec", "scaling_factor"},
    [SAE_TOPK] = {"W_enc", "W_dec", "b_enc", "b_dec", "scaling_factor"},
    [SAE_JUMPRELU] = {"W_enc", "W_dec", "b_enc", "b_dec", "threshold",
                      "scaling_factor"},
    [SAE_GATED] = {"W_enc", "W_dec", "b_gate", "r_mag", "b_mag", "b_dec",
                   "scaling_factor"},
};

/* For a while SAELens wrote a scaling_factor of ones with every SAE. */
static int check_scaling_factor(const struct sae *s, struct tensor_file *f,
                                struct err *e)
{
    float *factor;
    struct sae temporary = {0};
    if (tensor_file_find(f, "scaling_factor") == f->n)
        return 0;
    int code =
        sae_read_vector(&temporary, &factor, f, "scaling_factor", s->m, e);
    for (size_t i = 0; code == 0 && i < s->m; i++)
        if (fabsf(factor[i] - 1) > 1e-5f)
            code = err_set(e, ERR_INPUT,
                           "%s: 'scaling_factor' is %g at element %zu, which "
                           "is not supported; fold it into W_dec and leave it "
                           "out",
                           f->path, (double)factor[i], i);
    sae_free(&temporary);
    return code;
}

static int read_tensors(struct sae *s, struct tensor_file *f, struct err *e)
{
    char what[40];
    TRY(sae_read_matrix(s, &s->w_enc, f, "W_enc", INPUT_MAJOR, e));
    TRY(sae_read_matrix(s, &s->w_dec, f, "W_dec", FEATURE_MAJOR, e));
    TRY(sae_read_vector(s, &s->b_dec, f, "b_dec", s->d, e));
    if (s->architecture == SAE_GATED)
        TRY(sae_read_gate(s, f, "b_gate", "r_mag", "b_mag", e));
    else
        TRY(sae_read_vector(s, &s->b_enc, f, "b_enc", s->m, e));
    if (s->architecture == SAE_JUMPRELU)
        TRY(sae_read_vector(s, &s->threshold, f, "threshold", s->m, e));
    TRY(check_scaling_factor(s, f, e));
    (void)snprintf(what, sizeof what, "architecture '%s'",
                   sae_architecture_name(s->architecture));
    return sae_refuse_other_tensors(f, tensor_names[s->architecture], what, e);
}

/* rescale_acts_by_decoder_norm: h is multiplied by ‖W_dec[i]‖ before selection
 * and divided again in decoding, which is what unit rows do. */
int sae_read_saelens(struct sae *s, const struct sae_files *files,
                     struct err *e)
{
    bool rescale = false;
    json_t *cfg;
    TRY(json_read(&cfg, files->config, e));
    int code = sae_config_read(s, &rescale, cfg, files->config, e);
    json_decref(cfg);
    TRY(code);
    struct tensor_file file;
    TRY(tensor_file_open(&file, files->tensors, e));
    code = read_tensors(s, &file, e);
    tensor_file_close(&file);
    TRY(code);
    if (rescale)
        sae_fold_decoder_norms(s);
    return 0;
}

/* ---- write ---- */

static int put_weights(const struct sae *s, struct safetensors_writer *w,
                       const float *by_input, struct err *e)
{
    size_t d = s->d, m = s->m;
    TRY(safetensors_put(w, by_input, d * m * sizeof(float), e));
    TRY(safetensors_put(w, s->w_dec, d * m * sizeof(float), e));
    TRY(safetensors_put(w, s->b_enc, m * sizeof(float), e));
    TRY(safetensors_put(w, s->b_dec, d * sizeof(float), e));
    if (s->threshold != NULL)
        TRY(safetensors_put(w, s->threshold, m * sizeof(float), e));
    return safetensors_end(w, e);
}

static int write_weights(const struct sae *s, const char *path, struct err *e)
{
    int64_t d = (int64_t)s->d, m = (int64_t)s->m;
    const struct safetensors_entry entries[] = {
        {"W_enc", DTYPE_F32, 2, {d, m}},  {"W_dec", DTYPE_F32, 2, {m, d}},
        {"b_enc", DTYPE_F32, 1, {m}},     {"b_dec", DTYPE_F32, 1, {d}},
        {"threshold", DTYPE_F32, 1, {m}},
    };
    struct arena arena = {0};
    float *by_input;
    struct safetensors_writer w = {0};
    int code = sae_by_input(&by_input, s, s->w_enc, &arena, e);
    if (code == 0)
        code = safetensors_begin(&w, path, entries,
                                 s->threshold != NULL ? 5 : 4, e);
    if (code == 0)
        code = put_weights(s, &w, by_input, e);
    safetensors_abandon(&w);
    arena_free(&arena);
    return code;
}

int sae_write(const struct sae *s, const char *folder, const json_t *extra,
              struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    TRY(output_join(path, folder, "sae_weights.safetensors", e));
    TRY(write_weights(s, path, e));
    TRY(output_join(path, folder, "headscope.json", e));
    if (extra != NULL)
        TRY(json_write(path, extra, e));
    TRY(output_join(path, folder, "cfg.json", e));
    json_t *cfg = sae_config_write(s, extra);
    if (cfg == NULL)
        return err_memory(e, "cfg.json", 0);
    int code = json_write(path, cfg, e);
    json_decref(cfg);
    return code;
}

/* ---- the training curve ---- */

int sae_read_metrics(const char *folder,
                     int (*row)(void *ctx, const json_t *line, struct err *e),
                     void *ctx, struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    TRY(output_join(path, folder, "metrics.jsonl", e));
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return errno == ENOENT || errno == ENOTDIR
                   ? 0
                   : err_errno(e, "cannot open %s", path);
    char *line = NULL;
    size_t size = 0;
    int code = 0;
    for (size_t number = 1; code == 0 && getline(&line, &size, f) > 0;
         number++) {
        json_error_t problem;
        json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &problem);
        if (!json_is_object(object))
            code = err_set(e, ERR_INPUT, "%s: line %zu is no JSON object", path,
                           number);
        else
            code = row(ctx, object, e);
        json_decref(object);
    }
    free(line);
    (void)fclose(f);
    return code;
}
