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
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/json.h"
#include "base/output.h"
#include "dump/safetensors.h"
#include "kernels/kernels.h"
#include "sae/config.h"

enum { WIDTH_MAX = 1 << 20 };

/* ---- tensors ---- */

/* Reads tensor `name`, which must have the given shape (columns 0: one
 * dimension), into new memory of the SAE. */
static int read_tensor(struct sae *s, float **out,
                       const struct safetensors *file, const char *path,
                       const char *name, size_t rows, size_t columns,
                       struct err *e)
{
    const struct tensor *t = safetensors_find(file, name);
    if (t == NULL)
        return err_set(e, ERR_INPUT, "%s: tensor '%s' is missing", path, name);
    char shape[128];
    tensor_describe(shape, sizeof shape, t);
    if (t->dtype != DTYPE_F32 && t->dtype != DTYPE_F16 &&
        t->dtype != DTYPE_BF16)
        return err_set(e, ERR_INPUT, "%s: '%s' is %s; must be f32, f16 or bf16",
                       path, name, shape);
    bool fits = t->rank == (columns > 0 ? 2 : 1) &&
                t->shape[0] == (int64_t)rows &&
                (columns == 0 || t->shape[1] == (int64_t)columns);
    if (!fits)
        return err_set(e, ERR_INPUT,
                       "%s: '%s' is %s; cfg.json says [%zu%s%.0zu]", path, name,
                       shape, rows, columns > 0 ? ", " : "", columns);
    size_t n = tensor_count(t);
    TRY(arena_get(&s->arena, out, n, sizeof **out, name, e));
    tensor_to_float(*out, t, 0, n);
    size_t bad = kernels.first_not_finite(*out, n);
    if (bad < n)
        return err_set(e, ERR_INPUT,
                       "%s: '%s' holds NaN or infinity at element %zu", path,
                       name, bad);
    return 0;
}

/* out (columns, rows) = in (rows, columns)ᵀ, in squares that fit the cache. */
static void transpose(float *out, const float *in, size_t rows, size_t columns)
{
    enum { SQUARE = 32 };
    for (size_t r = 0; r < rows; r += SQUARE)
        for (size_t c = 0; c < columns; c += SQUARE)
            for (size_t i = r; i < rows && i < r + SQUARE; i++)
                for (size_t j = c; j < columns && j < c + SQUARE; j++)
                    out[j * rows + i] = in[i * columns + j];
}

/* W_enc as it lies in the file is (d, m). */
static int read_encoder(struct sae *s, const struct safetensors *file,
                        const char *path, struct err *e)
{
    float *by_input;
    size_t d = s->d, m = s->m;
    struct sae temporary = {0};
    int code = read_tensor(&temporary, &by_input, file, path, "W_enc", d, m, e);
    if (code == 0)
        code =
            arena_get(&s->arena, &s->w_enc, d * m, sizeof(float), "W_enc", e);
    if (code == 0)
        transpose(s->w_enc, by_input, d, m);
    sae_free(&temporary);
    return code;
}

/* A gated SAE's encoder becomes that of the jumprelu which it is (sae.h). */
static int read_gated(struct sae *s, const struct safetensors *file,
                      const char *path, struct err *e)
{
    size_t m = s->m;
    float *gate, *r;
    struct sae temporary = {0};
    int code = read_tensor(&temporary, &gate, file, path, "b_gate", m, 0, e);
    if (code == 0)
        code = read_tensor(&temporary, &r, file, path, "r_mag", m, 0, e);
    if (code == 0)
        code = read_tensor(s, &s->b_enc, file, path, "b_mag", m, 0, e);
    if (code == 0)
        code = arena_get(&s->arena, &s->threshold, m, sizeof(float),
                         "threshold", e);
    for (size_t i = 0; code == 0 && i < m; i++) {
        double gain = exp((double)r[i]);
        float *row = s->w_enc + i * s->d;
        kernels.scale(row, (float)gain, s->d);
        s->threshold[i] = (float)((double)s->b_enc[i] - gain * (double)gate[i]);
        if (kernels.first_not_finite(row, s->d) < s->d ||
            !isfinite(s->threshold[i]))
            code = err_set(e, ERR_INPUT,
                           "%s: 'r_mag' is %g at element %zu; the feature's "
                           "weights times its exponential are too large",
                           path, (double)r[i], i);
    }
    sae_free(&temporary);
    return code;
}

static const char *const tensor_names[][6] = {
    [SAE_STANDARD] = {"W_enc", "W_dec", "b_enc", "b_dec"},
    [SAE_TOPK] = {"W_enc", "W_dec", "b_enc", "b_dec"},
    [SAE_JUMPRELU] = {"W_enc", "W_dec", "b_enc", "b_dec", "threshold"},
    [SAE_GATED] = {"W_enc", "W_dec", "b_gate", "r_mag", "b_mag", "b_dec"},
};

static bool is_expected(const struct sae *s, const char *name)
{
    for (size_t i = 0; i < 6; i++) {
        const char *known = tensor_names[s->architecture][i];
        if (known != NULL && strcmp(name, known) == 0)
            return true;
    }
    return false;
}

/* For a while SAELens wrote a scaling_factor of ones with every SAE. */
static int check_scaling_factor(struct sae *s, const struct safetensors *file,
                                const char *path, struct err *e)
{
    float *factor;
    TRY(read_tensor(s, &factor, file, path, "scaling_factor", s->m, 0, e));
    for (size_t i = 0; i < s->m; i++)
        if (fabsf(factor[i] - 1) > 1e-5f)
            return err_set(e, ERR_INPUT,
                           "%s: 'scaling_factor' is %g at element %zu, which "
                           "is not supported; fold it into W_dec and leave it "
                           "out",
                           path, (double)factor[i], i);
    return 0;
}

/* A tensor that the rule does not have means a rule that we do not have. */
static int refuse_foreign_tensors(const struct sae *s,
                                  const struct safetensors *file,
                                  const char *path, struct err *e)
{
    struct sae temporary = {.m = s->m};
    int code = 0;
    for (size_t i = 0; code == 0 && i < file->n; i++) {
        if (strcmp(file->names[i], "scaling_factor") == 0)
            code = check_scaling_factor(&temporary, file, path, e);
        else if (!is_expected(s, file->names[i]))
            code = err_set(
                e, ERR_INPUT, "%s: tensor '%s' is not one of architecture '%s'",
                path, file->names[i], sae_architecture_name(s->architecture));
    }
    sae_free(&temporary);
    return code;
}

static int read_tensors(struct sae *s, const struct safetensors *file,
                        const char *path, struct err *e)
{
    TRY(read_encoder(s, file, path, e));
    TRY(read_tensor(s, &s->w_dec, file, path, "W_dec", s->m, s->d, e));
    TRY(read_tensor(s, &s->b_dec, file, path, "b_dec", s->d, 0, e));
    if (s->architecture == SAE_GATED)
        TRY(read_gated(s, file, path, e));
    else
        TRY(read_tensor(s, &s->b_enc, file, path, "b_enc", s->m, 0, e));
    if (s->architecture == SAE_JUMPRELU)
        TRY(read_tensor(s, &s->threshold, file, path, "threshold", s->m, 0, e));
    return refuse_foreign_tensors(s, file, path, e);
}

/* SAELens' rescale_acts_by_decoder_norm: h is multiplied by ‖W_dec[i]‖ before
 * selection and divided again in decoding. Folding the norm into the tensors
 * gives the same codes and reconstruction. A row of zeros is never active. */
static void fold_decoder_norms(struct sae *s)
{
    for (size_t i = 0; i < s->m; i++) {
        float *row = s->w_dec + i * s->d;
        float norm = (float)sqrt(kernels.dot_double(row, row, s->d));
        if (norm > 0)
            kernels.scale(row, 1 / norm, s->d);
        kernels.scale(s->w_enc + i * s->d, norm, s->d);
        s->b_enc[i] *= norm;
    }
}

static int take_fingerprint(struct sae *s, struct err *e)
{
    XXH3_state_t *state = XXH3_createState();
    if (state == NULL)
        return err_memory(e, "fingerprint", 0);
    uint64_t head[5] = {(uint64_t)s->architecture, s->d, s->m, s->k,
                        s->apply_b_dec_to_input};
    (void)XXH3_128bits_reset(state);
    (void)XXH3_128bits_update(state, head, sizeof head);
    (void)XXH3_128bits_update(state, s->w_enc, s->d * s->m * sizeof(float));
    (void)XXH3_128bits_update(state, s->w_dec, s->d * s->m * sizeof(float));
    (void)XXH3_128bits_update(state, s->b_enc, s->m * sizeof(float));
    (void)XXH3_128bits_update(state, s->b_dec, s->d * sizeof(float));
    if (s->threshold != NULL)
        (void)XXH3_128bits_update(state, s->threshold, s->m * sizeof(float));
    XXH128_hash_t hash = XXH3_128bits_digest(state);
    (void)XXH3_freeState(state);
    char text[33];
    (void)snprintf(text, sizeof text, "%016llx%016llx",
                   (unsigned long long)hash.high64,
                   (unsigned long long)hash.low64);
    return arena_string(&s->arena, &s->fingerprint, text, e);
}

/* ---- load ---- */

/* headscope.json, if the folder has one: kept as text, and the heads. */
static int read_own_record(struct sae *s, const char *folder, struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    TRY(output_join(path, folder, "headscope.json", e));
    if (access(path, F_OK) != 0)
        return 0;
    json_t *own;
    TRY(json_read(&own, path, e));
    int64_t heads = 0;
    int code = 0;
    if (!json_is_object(own))
        code = err_set(e, ERR_INPUT, "%s: must be an object", path);
    if (code == 0)
        code = json_get_int(&heads, own, "heads", 0, WIDTH_MAX, 0, path, e);
    char *text = code == 0 ? json_dumps(own, JSON_COMPACT) : NULL;
    if (code == 0 && text == NULL)
        code = err_memory(e, "headscope.json", 0);
    if (code == 0 && heads > 0 && s->d % (size_t)heads != 0)
        code = err_set(e, ERR_INPUT, "%s: %d heads do not divide d_in %zu",
                       path, (int)heads, s->d);
    if (code == 0)
        code = arena_string(&s->arena, &s->headscope, text, e);
    if (code == 0)
        s->heads = (int)heads;
    free(text);
    json_decref(own);
    return code;
}

static int name_after_folder(struct sae *s, const char *folder, struct err *e)
{
    char name[256];
    output_base_name(name, sizeof name, folder);
    size_t n = strlen(name);
    if (n > 4 && strcmp(name + n - 4, ".sae") == 0)
        name[n - 4] = '\0';
    return arena_string(&s->arena, &s->name, name, e);
}

static int load(struct sae *s, const char *folder, struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    bool rescale = false;
    TRY(name_after_folder(s, folder, e));
    TRY(output_join(path, folder, "cfg.json", e));
    json_t *cfg;
    TRY(json_read(&cfg, path, e));
    int code = sae_config_read(s, &rescale, cfg, path, e);
    json_decref(cfg);
    TRY(code);
    TRY(output_join(path, folder, "sae_weights.safetensors", e));
    struct safetensors file;
    TRY(safetensors_open(&file, path, e));
    code = read_tensors(s, &file, path, e);
    safetensors_close(&file);
    TRY(code);
    if (rescale)
        fold_decoder_norms(s);
    TRY(take_fingerprint(s, e));
    return read_own_record(s, folder, e);
}

int sae_load(struct sae *s, const char *folder, struct err *e)
{
    *s = (struct sae){.layer = -1, .head = -1};
    int code = load(s, folder, e);
    if (code != 0)
        sae_free(s);
    return code;
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
    float *by_input = malloc(s->d * s->m * sizeof *by_input);
    if (by_input == NULL)
        return err_memory(e, "W_enc", s->d * s->m * sizeof *by_input);
    transpose(by_input, s->w_enc, s->m, s->d);
    struct safetensors_writer w = {0};
    int code =
        safetensors_begin(&w, path, entries, s->threshold != NULL ? 5 : 4, e);
    if (code == 0)
        code = put_weights(s, &w, by_input, e);
    safetensors_abandon(&w);
    free(by_input);
    return code;
}

int sae_write(const struct sae *s, const char *folder, const json_t *extra,
              struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    TRY(output_join(path, folder, "sae_weights.safetensors", e));
    TRY(write_weights(s, path, e));
    TRY(output_join(path, folder, "headscope.json", e));
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
        return errno == ENOENT ? 0 : err_errno(e, "cannot open %s", path);
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
