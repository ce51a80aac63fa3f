/* SPDX-License-Identifier: MIT */
#include "dump/weights.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/kernels.h"

enum {
    NAME_SIZE = 24,
    /* Rows of W_U turned at once: what is read of an embedding is a line of
     * cache each. */
    TURN_ROWS = 16,
    EXTRA_TENSORS = 3, /* W_U, gain, bias */
};

static const char w_u_name[] = "W_U";
static const char gain_name[] = "ln_f.weight";
static const char bias_name[] = "ln_f.bias";

/* Numbers of one layer's W_O. */
static size_t layer_size(const struct dump_info *info)
{
    return (size_t)info->heads * (size_t)info->d_head * (size_t)info->d_model;
}

/* ---- writing ---- */

/* What is in the file, and the names of its layers. */
struct listing {
    struct safetensors_entry *entry;
    char (*names)[NAME_SIZE];
    size_t n;
};

static void list_tensors(struct listing *out, const struct dump_info *info,
                         const struct weights_source *from)
{
    for (int l = 0; l < info->layers; l++) {
        char *name = out->names[l];
        (void)snprintf(name, NAME_SIZE, "W_O.%d", info->first_layer + l);
        out->entry[out->n++] = (struct safetensors_entry){
            name, DTYPE_F32, 3, {info->heads, info->d_head, info->d_model}};
    }
    if (from->w_u == NULL)
        return;
    const struct safetensors_entry extra[EXTRA_TENSORS] = {
        {w_u_name, DTYPE_F32, 2, {info->d_model, (int64_t)from->vocab}},
        {gain_name, DTYPE_F32, 1, {info->d_model}},
        {bias_name, DTYPE_F32, 1, {info->d_model}}};
    for (size_t i = 0; i < EXTRA_TENSORS; i++)
        out->entry[out->n++] = extra[i];
}

static int put_w_u(struct safetensors_writer *w, const struct dump_info *info,
                   const struct weights_source *from, struct err *e)
{
    size_t d = (size_t)info->d_model, vocab = from->vocab;
    float *rows = malloc(TURN_ROWS * vocab * sizeof *rows);
    if (rows == NULL)
        return err_memory(e, w_u_name, TURN_ROWS * vocab * sizeof *rows);
    int code = 0;
    for (size_t first = 0; code == 0 && first < d; first += TURN_ROWS) {
        size_t n = d - first < TURN_ROWS ? d - first : TURN_ROWS;
        for (size_t v = 0; v < vocab; v++)
            for (size_t i = 0; i < n; i++)
                rows[i * vocab + v] = from->w_u[v * d + first + i];
        code = safetensors_put(w, rows, n * vocab * sizeof *rows, e);
    }
    free(rows);
    return code;
}

static int put_tensors(struct safetensors_writer *w,
                       const struct dump_info *info,
                       const struct weights_source *from, struct err *e)
{
    for (int l = 0; l < info->layers; l++)
        TRY(safetensors_put(w, from->w_o[l], layer_size(info) * sizeof(float),
                            e));
    if (from->w_u == NULL)
        return 0;
    size_t bytes = (size_t)info->d_model * sizeof(float);
    TRY(put_w_u(w, info, from, e));
    TRY(safetensors_put(w, from->ln_gain, bytes, e));
    return safetensors_put(w, from->ln_bias, bytes, e);
}

int weights_write(const char *path, const struct dump_info *info,
                  const struct weights_source *from, struct err *e)
{
    struct arena arena = {0};
    struct listing list = {0};
    struct safetensors_writer w = {0};
    size_t layers = (size_t)info->layers;
    int code = arena_get(&arena, &list.entry, layers + EXTRA_TENSORS,
                         sizeof *list.entry, "weights", e);
    if (code == 0)
        code = arena_get(&arena, &list.names, layers, NAME_SIZE, "weights", e);
    if (code == 0) {
        list_tensors(&list, info, from);
        code = safetensors_begin(&w, path, list.entry, list.n, e);
    }
    if (code == 0)
        code = put_tensors(&w, info, from, e);
    if (code == 0)
        code = safetensors_end(&w, e);
    safetensors_abandon(&w);
    arena_free(&arena);
    return code;
}

uint64_t weights_bytes(const struct dump_info *info, size_t vocab)
{
    size_t extra = vocab == 0 ? 0 : (size_t)info->d_model * (vocab + 2);
    return ((size_t)info->layers * layer_size(info) + extra) * sizeof(float);
}

/* ---- reading ---- */

static int find(const struct tensor **out, const struct weights *w,
                const char *path, const struct safetensors_entry *want,
                struct err *e)
{
    const struct tensor *t = safetensors_find(&w->file, want->name);
    struct tensor expected = {.dtype = want->dtype, .rank = want->rank};
    bool same = t != NULL && t->dtype == want->dtype && t->rank == want->rank;
    for (int i = 0; i < want->rank; i++) {
        expected.shape[i] = want->shape[i];
        same = same && t->shape[i] == want->shape[i];
    }
    char text[128];
    tensor_describe(text, sizeof text, &expected);
    if (!same)
        return err_set(e, ERR_INPUT, "%s: no tensor %s of %s", path, want->name,
                       text);
    *out = t;
    return 0;
}

static int convert(float *out, const struct tensor *t, const char *name,
                   const char *path, struct err *e)
{
    size_t n = tensor_count(t);
    tensor_to_float(out, t, 0, n);
    if (kernels.first_not_finite(out, n) < n)
        return err_set(e, ERR_INPUT, "%s: %s holds a value that is not finite",
                       path, name);
    return 0;
}

static int read_w_o(struct weights *w, const char *path,
                    const struct dump_info *info, struct err *e)
{
    size_t size = layer_size(info);
    uint64_t bytes = weights_bytes(info, 0);
    if (bytes > w->file.map.size)
        return err_set(e, ERR_INPUT,
                       "%s: too small for the W_O of %d layers, %" PRIu64
                       " bytes",
                       path, info->layers, bytes);
    TRY(arena_get(&w->arena, &w->w_o, (size_t)info->layers * size,
                  sizeof *w->w_o, "W_O", e));
    for (int l = 0; l < info->layers; l++) {
        const struct tensor *t;
        char name[NAME_SIZE];
        (void)snprintf(name, sizeof name, "W_O.%d", info->first_layer + l);
        const struct safetensors_entry want = {
            name, DTYPE_F32, 3, {info->heads, info->d_head, info->d_model}};
        TRY(find(&t, w, path, &want, e));
        TRY(convert(w->w_o + (size_t)l * size, t, name, path, e));
    }
    return 0;
}

/* Gain or bias of the last LayerNorm. */
static int read_vector(float **out, struct weights *w, const char *name,
                       const char *path, const struct dump_info *info,
                       struct err *e)
{
    const struct tensor *t;
    const struct safetensors_entry want = {name, DTYPE_F32, 1, {info->d_model}};
    TRY(find(&t, w, path, &want, e));
    TRY(arena_get(&w->arena, out, (size_t)info->d_model, sizeof **out, name,
                  e));
    return convert(*out, t, name, path, e);
}

static int read_unembedding(struct weights *w, const char *path,
                            const struct dump_info *info, struct err *e)
{
    struct unembedding *u = &w->unembedding;
    const struct tensor *t = safetensors_find(&w->file, w_u_name);
    if (t == NULL)
        return 0;
    /* Ids of tokens are int32. */
    if (t->dtype != DTYPE_F32 || t->rank != 2 || t->shape[0] != info->d_model ||
        t->shape[1] < 1 || t->shape[1] > INT32_MAX)
        return err_set(e, ERR_INPUT, "%s: %s must be f32 [%d, vocabulary]",
                       path, w_u_name, info->d_model);
    u->d_model = (size_t)info->d_model;
    u->vocab = (size_t)t->shape[1];
    char *copy;
    TRY(arena_string(&w->arena, &copy, path, e));
    u->path = copy;
    TRY(read_vector(&u->ln_gain, w, gain_name, path, info, e));
    TRY(read_vector(&u->ln_bias, w, bias_name, path, info, e));
    u->w_u = t;
    return 0;
}

int weights_open(struct weights *w, const char *path,
                 const struct dump_info *info, struct err *e)
{
    *w = (struct weights){0};
    TRY(safetensors_open(&w->file, path, e));
    int code = read_w_o(w, path, info, e);
    if (code == 0)
        code = read_unembedding(w, path, info, e);
    if (code != 0)
        weights_close(w);
    else if (w->unembedding.w_u == NULL)
        safetensors_close(&w->file);
    return code;
}

void weights_close(struct weights *w)
{
    safetensors_close(&w->file);
    arena_free(&w->arena);
    *w = (struct weights){0};
}

int unembedding_read(const struct unembedding *u, float *out, size_t first,
                     size_t n, struct err *e)
{
    for (size_t i = 0; i < u->d_model; i++) {
        float *row = out + i * n;
        tensor_to_float(row, u->w_u, i * u->vocab + first, n);
        size_t bad = kernels.first_not_finite(row, n);
        if (bad < n)
            return err_set(e, ERR_INPUT, "%s: %s[%zu, %zu] is not finite",
                           u->path, w_u_name, i, first + bad);
    }
    return 0;
}
