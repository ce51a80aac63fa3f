/* SPDX-License-Identifier: MIT */
#include "dump/writing.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "dump/unfinished.h"

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

/* All but the folder. */
static int make_writer(struct dump_writer **out, const struct dump_info *info,
                       struct err *e)
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
    if (code != 0)
        dump_writer_abort(&w);
    *out = w;
    return code;
}

int dump_writer_open(struct dump_writer **out, const char *path,
                     const struct dump_info *info, bool force, struct err *e)
{
    TRY(make_writer(out, info, e));
    int code =
        output_begin_folder(&(*out)->output, path, MANIFEST_NAME, force, e);
    if (code != 0)
        dump_writer_abort(out);
    return code;
}

/* Goes on behind the complete shards of the partial folder, or clears it. */
static int take_over(struct dump_writer *w, struct dump_resume *r,
                     struct err *e)
{
    bool same;
    char path[OUTPUT_PATH_MAX];
    const struct dump_info *info = &w->manifest.info;
    unfinished_read(&w->complete, &same, w->output.partial, r->identity,
                    &w->manifest);
    r->other = !same;
    if (!same)
        return output_empty_folder(&w->output, e);
    r->rows = w->complete * SHARD_ROWS;
    r->rows = r->rows < info->tokens ? r->rows : info->tokens;
    for (int l = 0; l < info->layers; l++) {
        w->layers[l].rows = r->rows;
        w->layers[l].shard += w->complete;
    }
    /* Of a writer that was killed when only the renaming was left. */
    TRY(output_join(path, w->output.partial, MANIFEST_NAME, e));
    (void)unlink(path);
    return 0;
}

static int resume(struct dump_writer *w, const char *path, bool force,
                  struct dump_resume *r, struct err *e)
{
    bool kept;
    TRY(arena_string(&w->manifest.arena, &w->identity, r->identity, e));
    TRY(output_check(path, true, force, e));
    TRY(output_resume_folder(&w->output, path, MANIFEST_NAME, UNFINISHED_NAME,
                             &kept, e));
    w->output.force = force;
    return kept ? take_over(w, r, e) : 0;
}

int dump_writer_resume(struct dump_writer **out, const char *path,
                       const struct dump_info *info, bool force,
                       struct dump_resume *r, struct err *e)
{
    r->rows = 0;
    r->other = false;
    TRY(make_writer(out, info, e));
    int code = resume(*out, path, force, r, e);
    if (code != 0)
        dump_writer_abort(out);
    return code;
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

/* The list of shards goes when all is on disk and only the renaming is left: a
 * kill before that costs nothing, and the dump does not keep it. */
static int finish(struct dump_writer *w, struct err *e)
{
    char manifest[OUTPUT_PATH_MAX], unfinished[OUTPUT_PATH_MAX];
    TRY(check_complete(w, e));
    TRY(output_join(manifest, w->output.partial, MANIFEST_NAME, e));
    TRY(output_join(unfinished, w->output.partial, UNFINISHED_NAME, e));
    TRY(manifest_write(&w->manifest, manifest, e));
    TRY(output_flush(&w->output, e));
    (void)unlink(unfinished);
    return output_commit(&w->output, e);
}

int dump_writer_commit(struct dump_writer **writer, struct err *e)
{
    int code = finish(*writer, e);
    dump_writer_abort(writer);
    return code;
}

static void close_files(struct dump_writer *w)
{
    for (int l = 0; w->layers != NULL && l < w->manifest.info.layers; l++)
        safetensors_abandon(&w->layers[l].file);
}

void dump_writer_abort(struct dump_writer **writer)
{
    struct dump_writer *w = *writer;
    if (w == NULL)
        return;
    close_files(w);
    output_abort(&w->output);
    manifest_free(&w->manifest);
    free(w);
    *writer = NULL;
}

uint64_t dump_writer_leave(struct dump_writer **writer)
{
    struct dump_writer *w = *writer;
    uint64_t rows = w == NULL ? 0 : w->complete * SHARD_ROWS;
    if (rows > 0) {
        rows = rows < w->manifest.info.tokens ? rows : w->manifest.info.tokens;
        close_files(w);
        output_leave(&w->output);
    }
    dump_writer_abort(writer);
    return rows;
}
