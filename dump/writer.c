/* SPDX-License-Identifier: MIT */
#include "dump/writer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/output.h"
#include "base/utf8.h"
#include "dump/groups.h"
#include "dump/manifest.h"
#include "dump/npy.h"
#include "dump/safetensors.h"
#include "dump/tokens.h"
#include "dump/weights.h"
#include "kernels/kernels.h"

enum {
    /* At 768 values of 2 bytes a shard has 200 MB: few files, yet one is soon
     * checked, copied, or loaded whole by another tool. */
    SHARD_ROWS = 131072,
    /* Values converted in one go, so that they stay in cache. */
    CONVERT_VALUES = 8192,
};

/* A layer as far as it has come. */
struct layer {
    uint64_t rows;
    struct manifest_shard *shard; /* being written, or to be begun */
    struct safetensors_writer file;
    char path[OUTPUT_PATH_MAX];
};

struct dump_writer {
    struct output output;
    struct manifest manifest; /* its arena also holds what is below */
    struct layer *layers;
    int32_t last_id; /* the largest token id */
    uint64_t n_vocab;
    float checked[CONVERT_VALUES];
    uint16_t narrow[CONVERT_VALUES];
};

/* ---- opening ---- */

static int check_info(const struct dump_info *info, struct err *e)
{
    assert(info->layers > 0 && info->first_layer >= 0 &&
           info->layers <= DUMP_LAYERS_MAX - info->first_layer);
    assert(info->heads > 0 && info->heads <= DUMP_HEADS_MAX);
    assert(info->d_head > 0 && info->d_head <= DUMP_WIDTH_MAX / info->heads);
    assert(dtype_is_activation(info->dtype));
    size_t length = strlen(info->model);
    if (utf8_valid_prefix(info->model, length) != length)
        return err_set(e, ERR_INPUT, "the model's name is not UTF-8: '%.80s'",
                       info->model);
    if (info->tokens == 0)
        return err_set(e, ERR_INPUT, "a dump needs at least one token");
    return 0;
}

static int copy_info(struct dump_writer *w, const struct dump_info *info,
                     struct err *e)
{
    struct manifest *m = &w->manifest;
    char *model, *bos, *fingerprint;
    TRY(arena_string(&m->arena, &model, info->model, e));
    TRY(arena_string(&m->arena, &bos, info->bos, e));
    m->info = *info;
    m->info.model = model;
    m->info.bos = bos;
    if (info->model_fingerprint != NULL) {
        TRY(arena_string(&m->arena, &fingerprint, info->model_fingerprint, e));
        m->info.model_fingerprint = fingerprint;
    }
    return 0;
}

/* Names and rows of all shards are known beforehand. */
static int plan_shards(struct dump_writer *w, struct err *e)
{
    struct manifest *m = &w->manifest;
    const struct dump_info *info = &m->info;
    size_t each = (size_t)((info->tokens - 1) / SHARD_ROWS + 1);
    m->n_shards = each * (size_t)info->layers;
    TRY(arena_get(&m->arena, &m->shards, m->n_shards, sizeof *m->shards,
                  "shard list", e));
    for (size_t i = 0; i < m->n_shards; i++) {
        struct manifest_shard *s = &m->shards[i];
        char name[64], *copy;
        s->layer = info->first_layer + (int)(i / each);
        s->first_row = i % each * SHARD_ROWS;
        s->rows = info->tokens - s->first_row < SHARD_ROWS
                      ? info->tokens - s->first_row
                      : SHARD_ROWS;
        (void)snprintf(name, sizeof name, "layer%02d-%05zu.safetensors",
                       s->layer, i % each);
        TRY(arena_string(&m->arena, &copy, name, e));
        s->file.name = copy;
    }
    TRY(arena_get(&m->arena, &w->layers, (size_t)info->layers,
                  sizeof *w->layers, "layers", e));
    for (size_t l = 0; l < (size_t)info->layers; l++)
        w->layers[l].shard = &m->shards[l * each];
    return 0;
}

int dump_writer_open(struct dump_writer **out, const char *path,
                     const struct dump_info *info, bool force, struct err *e)
{
    *out = NULL;
    TRY(check_info(info, e));
    struct dump_writer *w = calloc(1, sizeof *w);
    if (w == NULL)
        return err_memory(e, "dump writer", sizeof *w);
    w->last_id = -1;
    int code = copy_info(w, info, e);
    if (code == 0)
        code = plan_shards(w, e);
    if (code == 0)
        code = output_begin_folder(&w->output, path, MANIFEST_NAME, force, e);
    if (code != 0)
        dump_writer_abort(&w);
    *out = w;
    return code;
}

/* ---- tokens and vocabulary ---- */

/* Records a finished file of the folder. */
static int record(struct dump_writer *w, struct manifest_file *file,
                  const char *name, struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    TRY(output_join(path, w->output.partial, name, e));
    TRY(checksum_file(&file->bytes, &file->xxh3, path, e));
    file->name = name;
    return 0;
}

static int write_array(struct dump_writer *w, struct manifest_file *file,
                       const char *name, enum dtype dtype, uint64_t n,
                       const void *data, struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    int64_t shape = (int64_t)n;
    TRY(output_join(path, w->output.partial, name, e));
    TRY(npy_write(path, dtype, &shape, 1, data, e));
    return record(w, file, name, e);
}

int dump_writer_tokens(struct dump_writer *w, const int32_t *ids,
                       const int64_t *contexts, struct err *e)
{
    struct manifest *m = &w->manifest;
    const struct dump_info *info = &m->info;
    TRY(tokens_check_ids(ids, info->tokens, 0, "tokens", e));
    for (uint64_t i = 0; i < info->tokens; i++)
        w->last_id = ids[i] > w->last_id ? ids[i] : w->last_id;
    TRY(write_array(w, &m->tokens, "tokens.npy", DTYPE_I32, info->tokens, ids,
                    e));
    if (info->contexts == 0)
        return 0;
    TRY(tokens_check_contexts(contexts, info->contexts, info->tokens,
                              "contexts", e));
    return write_array(w, &m->contexts, "contexts.npy", DTYPE_I64,
                       info->contexts + 1, contexts, e);
}

int dump_writer_vocab(struct dump_writer *w, const struct vocab *v,
                      struct err *e)
{
    static const char name[] = "vocab.json";
    char path[OUTPUT_PATH_MAX];
    TRY(output_join(path, w->output.partial, name, e));
    TRY(vocab_write(v, path, e));
    w->n_vocab = v->n;
    return record(w, &w->manifest.vocab, name, e);
}

int dump_writer_groups(struct dump_writer *w, const struct dump_groups *groups,
                       struct err *e)
{
    struct manifest *m = &w->manifest;
    uint64_t contexts = m->info.contexts;
    TRY(groups_check_names(groups->names, groups->n, "groups", e));
    TRY(groups_check(groups, contexts, contexts, "groups", e));
    TRY(arena_get(&m->arena, &m->group_names, groups->n, sizeof *m->group_names,
                  "names of groups", e));
    for (size_t i = 0; i < groups->n; i++)
        TRY(arena_string(&m->arena, &m->group_names[i], groups->names[i], e));
    m->n_groups = groups->n;
    return write_array(w, &m->groups, "groups.npy", DTYPE_I32, contexts,
                       groups->of_context, e);
}

int dump_writer_weights(struct dump_writer *w,
                        const struct weights_source *from, struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    TRY(output_join(path, w->output.partial, WEIGHTS_NAME, e));
    TRY(weights_write(path, &w->manifest.info, from, e));
    return record(w, &w->manifest.weights, WEIGHTS_NAME, e);
}

/* ---- rows ---- */

static int begin_shard(struct dump_writer *w, struct layer *l, struct err *e)
{
    const struct dump_info *info = &w->manifest.info;
    const struct safetensors_entry z = {
        .name = "z",
        .dtype = info->dtype,
        .rank = 3,
        .shape = {(int64_t)l->shard->rows, info->heads, info->d_head}};
    TRY(output_join(l->path, w->output.partial, l->shard->file.name, e));
    return safetensors_begin(&l->file, l->path, &z, 1, e);
}

static int end_shard(struct layer *l, struct err *e)
{
    TRY(safetensors_end(&l->file, e));
    l->shard->file.bytes = l->file.bytes;
    l->shard->file.xxh3 = l->file.xxh3;
    l->shard++;
    return 0;
}

/* Converts into w->narrow and, to see what became of the values, back. */
static const void *narrowed(struct dump_writer *w, const float *z, size_t n)
{
    if (w->manifest.info.dtype == DTYPE_F16) {
        kernels.f32_to_f16(w->narrow, z, n);
        kernels.f16_to_f32(w->checked, w->narrow, n);
        return w->narrow;
    }
    if (w->manifest.info.dtype == DTYPE_BF16) {
        kernels.f32_to_bf16(w->narrow, z, n);
        kernels.bf16_to_f32(w->checked, w->narrow, n);
        return w->narrow;
    }
    memcpy(w->checked, z, n * sizeof *z);
    return z;
}

/* Appends n <= CONVERT_VALUES values; `at` is the first one's place in the
 * rows from l->rows on. */
static int put_values(struct dump_writer *w, struct layer *l, const float *z,
                      size_t n, size_t at, struct err *e)
{
    const struct dump_info *info = &w->manifest.info;
    const void *bytes = narrowed(w, z, n);
    size_t bad = kernels.first_not_finite(w->checked, n);
    if (bad == n)
        return safetensors_put(&l->file, bytes, n * dtype_size(info->dtype), e);
    size_t width = (size_t)info->heads * (size_t)info->d_head;
    const char *problem = kernels.first_not_finite(z + bad, 1) == 0
                              ? "is not finite"
                              : "is too large; write f32";
    return err_set(
        e, ERR_INPUT, "%s: layer %d, row %" PRIu64 ", column %zu: %g as %s %s",
        w->output.path, l->shard->layer, l->rows + (at + bad) / width,
        (at + bad) % width, (double)z[bad], dtype_name(info->dtype), problem);
}

int dump_writer_rows(struct dump_writer *w, int layer, const float *z, size_t n,
                     struct err *e)
{
    const struct dump_info *info = &w->manifest.info;
    size_t width = (size_t)info->heads * (size_t)info->d_head;
    assert(layer >= info->first_layer &&
           layer - info->first_layer < info->layers);
    struct layer *l = &w->layers[layer - info->first_layer];
    assert(n <= info->tokens - l->rows);
    while (n > 0) {
        uint64_t inside = l->rows - l->shard->first_row;
        uint64_t room = l->shard->rows - inside;
        size_t rows = n < room ? n : (size_t)room, values = rows * width;
        if (inside == 0)
            TRY(begin_shard(w, l, e));
        for (size_t at = 0; at < values; at += CONVERT_VALUES) {
            size_t part =
                values - at < CONVERT_VALUES ? values - at : CONVERT_VALUES;
            TRY(put_values(w, l, z + at, part, at, e));
        }
        if (rows == room)
            TRY(end_shard(l, e));
        l->rows += rows;
        z += values;
        n -= rows;
    }
    return 0;
}

/* ---- the end ---- */

static int check_complete(const struct dump_writer *w, struct err *e)
{
    const struct dump_info *info = &w->manifest.info;
    for (int l = 0; l < info->layers; l++)
        if (w->layers[l].rows != info->tokens)
            return err_set(e, ERR_SYSTEM,
                           "%s: layer %d has %" PRIu64 " of %" PRIu64 " rows",
                           w->output.path, info->first_layer + l,
                           w->layers[l].rows, info->tokens);
    if (info->contexts != 0 && w->manifest.contexts.name == NULL)
        return err_set(e, ERR_SYSTEM, "%s: its contexts are missing",
                       w->output.path);
    if (w->n_vocab != 0 && w->last_id >= 0 &&
        (uint64_t)w->last_id >= w->n_vocab)
        return err_set(e, ERR_INPUT,
                       "%s: token id %" PRId32
                       ", but the vocabulary has %" PRIu64 " tokens",
                       w->output.path, w->last_id, w->n_vocab);
    return 0;
}

int dump_writer_commit(struct dump_writer **writer, struct err *e)
{
    struct dump_writer *w = *writer;
    char path[OUTPUT_PATH_MAX];
    int code = check_complete(w, e);
    if (code == 0)
        code = output_join(path, w->output.partial, MANIFEST_NAME, e);
    if (code == 0)
        code = manifest_write(&w->manifest, path, e);
    if (code == 0)
        code = output_commit(&w->output, e);
    dump_writer_abort(writer);
    return code;
}

void dump_writer_abort(struct dump_writer **writer)
{
    struct dump_writer *w = *writer;
    if (w == NULL)
        return;
    for (int l = 0; w->layers != NULL && l < w->manifest.info.layers; l++)
        safetensors_abandon(&w->layers[l].file);
    output_abort(&w->output);
    manifest_free(&w->manifest);
    free(w);
    *writer = NULL;
}
