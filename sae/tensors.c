/* SPDX-License-Identifier: MIT */
#include "sae/tensors.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/kernels.h"

/* ---- reading ---- */

static int find(struct tensor **out, struct tensor_file *f, const char *name,
                struct err *e)
{
    size_t i = tensor_file_find(f, name);
    if (i == f->n)
        return err_set(e, ERR_INPUT, "%s: tensor '%s' is missing", f->path,
                       name);
    *out = &f->tensors[i];
    return 0;
}

int sae_read_sizes(struct sae *s, const struct tensor_file *f, const char *name,
                   enum sae_major major, struct err *e)
{
    size_t i = tensor_file_find(f, name);
    if (i == f->n)
        return err_set(e, ERR_INPUT, "%s: tensor '%s' is missing", f->path,
                       name);
    const struct tensor *t = &f->tensors[i];
    char shape[256];
    tensor_describe(shape, sizeof shape, t);
    if (t->rank != 2 || t->shape[0] < 1 || t->shape[0] > SAE_WIDTH_MAX ||
        t->shape[1] < 1 || t->shape[1] > SAE_WIDTH_MAX)
        return err_set(e, ERR_INPUT,
                       "%s: '%s' is %s; must have two axes of 1 to %d", f->path,
                       name, shape, SAE_WIDTH_MAX);
    s->m = (size_t)t->shape[major == FEATURE_MAJOR ? 0 : 1];
    s->d = (size_t)t->shape[major == FEATURE_MAJOR ? 1 : 0];
    return 0;
}

/* Loads a tensor (rows, columns), or (rows) with columns 0, after comparing its
 * shape. */
static int load(const struct tensor **out, struct tensor_file *f,
                const char *name, size_t rows, size_t columns, struct err *e)
{
    struct tensor *t = NULL;
    TRY(find(&t, f, name, e));
    char shape[256];
    tensor_describe(shape, sizeof shape, t);
    if (!dtype_is_activation(t->dtype))
        return err_set(e, ERR_INPUT, "%s: '%s' is %s; must be f32, f16 or bf16",
                       f->path, name, shape);
    bool fits = t->rank == (columns > 0 ? 2 : 1) &&
                t->shape[0] == (int64_t)rows &&
                (columns == 0 || t->shape[1] == (int64_t)columns);
    if (!fits)
        return err_set(e, ERR_INPUT,
                       "%s: '%s' is %s; the other sizes ask for [%zu%s%.0zu]",
                       f->path, name, shape, rows, columns > 0 ? ", " : "",
                       columns);
    TRY(tensor_file_load(f, (size_t)(t - f->tensors), e));
    *out = t;
    return 0;
}

static int convert(float *out, const struct tensor *t,
                   const struct tensor_file *f, const char *name, struct err *e)
{
    size_t n = tensor_count(t);
    tensor_to_float(out, t, 0, n);
    size_t bad = kernels.first_not_finite(out, n);
    if (bad < n)
        return err_set(e, ERR_INPUT,
                       "%s: '%s' holds NaN or infinity at element %zu", f->path,
                       name, bad);
    return 0;
}

int sae_read_vector(struct sae *s, float **out, struct tensor_file *f,
                    const char *name, size_t n, struct err *e)
{
    const struct tensor *t = NULL;
    TRY(load(&t, f, name, n, 0, e));
    TRY(arena_get(&s->arena, out, n, sizeof **out, name, e));
    return convert(*out, t, f, name, e);
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

int sae_read_matrix(struct sae *s, float **out, struct tensor_file *f,
                    const char *name, enum sae_major major, struct err *e)
{
    const struct tensor *t = NULL;
    size_t d = s->d, m = s->m;
    TRY(load(&t, f, name, major == FEATURE_MAJOR ? m : d,
             major == FEATURE_MAJOR ? d : m, e));
    TRY(arena_get(&s->arena, out, d * m, sizeof **out, name, e));
    if (major == FEATURE_MAJOR)
        return convert(*out, t, f, name, e);
    struct arena temporary = {0};
    float *by_input;
    int code =
        arena_get(&temporary, &by_input, d * m, sizeof *by_input, name, e);
    if (code == 0)
        code = convert(by_input, t, f, name, e);
    if (code == 0)
        transpose(*out, by_input, d, m);
    arena_free(&temporary);
    return code;
}

int sae_read_number(double *out, struct tensor_file *f, const char *name,
                    struct err *e)
{
    struct tensor *t = NULL;
    TRY(find(&t, f, name, e));
    char shape[256];
    tensor_describe(shape, sizeof shape, t);
    if (t->bytes != dtype_size(t->dtype))
        return err_set(e, ERR_INPUT, "%s: '%s' is %s; must be one number",
                       f->path, name, shape);
    TRY(tensor_file_load(f, (size_t)(t - f->tensors), e));
    if (dtype_is_activation(t->dtype)) {
        float value;
        TRY(convert(&value, t, f, name, e));
        *out = (double)value;
    } else if (t->dtype == DTYPE_I32) {
        int32_t value;
        memcpy(&value, t->data, sizeof value);
        *out = value;
    } else if (t->dtype == DTYPE_I64) {
        int64_t value;
        memcpy(&value, t->data, sizeof value);
        *out = (double)value;
    } else {
        return err_set(e, ERR_INPUT,
                       "%s: '%s' is %s; must be f32, f16, bf16, i32 or i64",
                       f->path, name, shape);
    }
    return 0;
}

int sae_refuse_other_tensors(const struct tensor_file *f,
                             const char *const *names, const char *what,
                             struct err *e)
{
    for (size_t i = 0; i < f->n; i++) {
        const char *const *known = names;
        while (*known != NULL && strcmp(*known, f->names[i]) != 0)
            known++;
        if (*known == NULL)
            return err_set(e, ERR_INPUT, "%s: tensor '%s' is not one of %s",
                           f->path, f->names[i], what);
    }
    return 0;
}

/* ---- other forms of the same function ---- */

bool sae_fold_gate(struct sae *s, size_t i, float gate, float r)
{
    double gain = exp((double)r);
    float *row = s->w_enc + i * s->d;
    kernels.scale(row, (float)gain, s->d);
    s->threshold[i] = (float)((double)s->b_enc[i] - gain * (double)gate);
    return kernels.first_not_finite(row, s->d) == s->d &&
           isfinite(s->threshold[i]);
}

int sae_read_gate(struct sae *s, struct tensor_file *f, const char *gate,
                  const char *r, const char *magnitude, struct err *e)
{
    size_t m = s->m;
    float *b_gate = NULL, *r_mag = NULL;
    struct sae temporary = {0};
    int code = sae_read_vector(&temporary, &b_gate, f, gate, m, e);
    if (code == 0)
        code = sae_read_vector(&temporary, &r_mag, f, r, m, e);
    if (code == 0)
        code = sae_read_vector(s, &s->b_enc, f, magnitude, m, e);
    if (code == 0)
        code = arena_get(&s->arena, &s->threshold, m, sizeof(float),
                         "threshold", e);
    for (size_t i = 0; code == 0 && i < m; i++)
        if (!sae_fold_gate(s, i, b_gate[i], r_mag[i]))
            code = err_set(e, ERR_INPUT,
                           "%s: '%s' is %g at element %zu; the feature's "
                           "weights times its exponential are too large",
                           f->path, r, (double)r_mag[i], i);
    sae_free(&temporary);
    return code;
}

static float row_norm(const struct sae *s, size_t i)
{
    const float *row = s->w_dec + i * s->d;
    return (float)sqrt(kernels.dot_double(row, row, s->d));
}

void sae_fold_decoder_norms(struct sae *s)
{
    for (size_t i = 0; i < s->m; i++) {
        float norm = row_norm(s, i);
        if (norm > 0)
            kernels.scale(s->w_dec + i * s->d, 1 / norm, s->d);
        kernels.scale(s->w_enc + i * s->d, norm, s->d);
        s->b_enc[i] *= norm;
    }
}

bool sae_has_unit_rows(const struct sae *s)
{
    for (size_t i = 0; i < s->m; i++)
        if (fabsf(row_norm(s, i) - 1) > 1e-5f)
            return false;
    return true;
}

int sae_set_place(struct sae *s, const char *hook, int layer, const char *model,
                  struct err *e)
{
    char of_layer[40] = "";
    if (layer >= 0)
        (void)snprintf(of_layer, sizeof of_layer, "blocks.%d.attn.hook_z",
                       layer);
    s->layer = layer;
    TRY(arena_string(&s->arena, &s->hook, hook != NULL ? hook : of_layer, e));
    return arena_string(&s->arena, &s->model, model, e);
}

/* ---- writing ---- */

int sae_by_input(float **out, const struct sae *s, const float *matrix,
                 struct arena *arena, struct err *e)
{
    TRY(arena_get(arena, out, s->d * s->m, sizeof **out, "a matrix", e));
    transpose(*out, matrix, s->m, s->d);
    return 0;
}

int sae_encoder_bias(float **out, const struct sae *s, bool subtracts,
                     struct arena *arena, struct err *e)
{
    TRY(arena_get(arena, out, s->m, sizeof **out, "b_enc", e));
    memcpy(*out, s->b_enc, s->m * sizeof **out);
    if (subtracts == s->apply_b_dec_to_input)
        return 0;
    for (size_t i = 0; i < s->m; i++) {
        double through =
            kernels.dot_double(s->w_enc + i * s->d, s->b_dec, s->d);
        (*out)[i] =
            (float)((double)s->b_enc[i] + (subtracts ? through : -through));
    }
    return 0;
}

struct tensor_entry sae_matrix_entry(const char *name, const struct sae *s,
                                     const float *data, enum sae_major major)
{
    int64_t m = (int64_t)s->m, d = (int64_t)s->d;
    return (struct tensor_entry){name,
                                 {.dtype = DTYPE_F32,
                                  .rank = 2,
                                  .shape = {major == FEATURE_MAJOR ? m : d,
                                            major == FEATURE_MAJOR ? d : m},
                                  .data = data,
                                  .bytes = s->m * s->d * sizeof *data}};
}

struct tensor_entry sae_vector_entry(const char *name, const float *data,
                                     size_t n)
{
    return (struct tensor_entry){name,
                                 {.dtype = DTYPE_F32,
                                  .rank = 1,
                                  .shape = {(int64_t)n},
                                  .data = data,
                                  .bytes = n * sizeof *data}};
}
