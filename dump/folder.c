/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/output.h"
#include "dump/groups.h"
#include "dump/parts.h"
#include "dump/prompts_file.h"
#include "dump/weights.h"
#include "dump/tokens.h"

static int check_options(const struct dump_options *o, const char *path,
                         struct err *e)
{
    if (o->layout != LAYOUT_NONE || o->heads != 0 || o->first_layer != 0 ||
        o->tensor != NULL || o->token_ids != NULL)
        return err_set(e, ERR_INPUT,
                       "%s is a dump folder; --layout, --heads, --first-layer, "
                       "--tensor and --token-ids are for bare arrays",
                       path);
    return 0;
}

static int read_manifest(struct dump *d, const char *path, struct err *e)
{
    char file[OUTPUT_PATH_MAX];
    char *fingerprint;
    TRY(output_join(file, path, MANIFEST_NAME, e));
    if (access(file, F_OK) != 0 && errno == ENOENT)
        return err_set(e, ERR_INPUT,
                       "%s is a folder without %s, so it is no dump", path,
                       MANIFEST_NAME);
    TRY(manifest_read(&d->manifest, file, e));
    TRY(arena_get(&d->arena, &fingerprint, FINGERPRINT_HEX, 1, "text", e));
    TRY(manifest_fingerprint(&d->manifest, fingerprint, e));
    const char *as_given = d->info.path;
    d->info = d->manifest.info;
    d->info.path = as_given;
    d->info.fingerprint = fingerprint;
    d->row_bytes = (size_t)d->info.heads * (size_t)d->info.d_head *
                   dtype_size(d->info.dtype);
    return 0;
}

/* Whether the file is what the manifest says. */
static int check_shard(const struct dump *d, const struct source *file,
                       const struct manifest_shard *s, struct err *e)
{
    uint64_t bytes = source_map(file)->size;
    if (bytes != s->file.bytes)
        return err_set(e, ERR_INPUT,
                       "%s has %" PRIu64 " bytes; the manifest says %" PRIu64,
                       file->path, bytes, s->file.bytes);
    const struct tensor *z = &file->z;
    const struct tensor expected = {
        .dtype = d->info.dtype,
        .rank = 3,
        .shape = {(int64_t)s->rows, d->info.heads, d->info.d_head}};
    if (z->dtype == expected.dtype && z->rank == expected.rank &&
        memcmp(z->shape, expected.shape, sizeof z->shape) == 0)
        return 0;
    char is[256], should_be[256];
    tensor_describe(is, sizeof is, z);
    tensor_describe(should_be, sizeof should_be, &expected);
    return err_set(e, ERR_INPUT, "%s holds %s; the manifest says %s",
                   file->path, is, should_be);
}

static int open_shard(struct dump *d, size_t i, const char *folder,
                      struct err *e)
{
    const struct manifest_shard *s = &d->manifest.shards[i];
    struct source *file = &d->sources[i];
    char joined[OUTPUT_PATH_MAX];
    char *path;
    TRY(output_join(joined, folder, s->file.name, e));
    TRY(arena_string(&d->arena, &path, joined, e));
    TRY(source_open(file, path, "z", e));
    return check_shard(d, file, s, e);
}

/* Shards are in the order of layers, so a layer's segments lie together. */
static int open_shards(struct dump *d, const char *folder, struct err *e)
{
    size_t n = d->manifest.n_shards;
    struct dump_segment *segments;
    TRY(arena_get(&d->arena, &segments, n, sizeof *segments, "shards", e));
    TRY(arena_get(&d->arena, &d->layers, (size_t)d->info.layers,
                  sizeof *d->layers, "layers", e));
    TRY(arena_get(&d->arena, &d->sources, n, sizeof *d->sources, "shards", e));
    d->n_sources = n;
    for (size_t i = 0; i < n; i++) {
        const struct manifest_shard *s = &d->manifest.shards[i];
        TRY(open_shard(d, i, folder, e));
        segments[i] = (struct dump_segment){
            .first = s->first_row,
            .rows = s->rows,
            .data = d->sources[i].z.data,
            .stride = d->row_bytes,
            .path = d->sources[i].path,
        };
        struct dump_layer *layer = &d->layers[s->layer - d->info.first_layer];
        if (layer->n++ == 0)
            layer->segments = &segments[i];
    }
    return 0;
}

static int read_tokens(struct dump *d, const char *folder, struct err *e)
{
    if (d->manifest.tokens.name == NULL)
        return 0;
    char path[OUTPUT_PATH_MAX];
    uint64_t n, positions;
    TRY(output_join(path, folder, d->manifest.tokens.name, e));
    TRY(tokens_read_ids(&d->tokens, &n, &positions, &d->arena, path, e));
    if (positions != 0 || n != d->info.tokens)
        return err_set(e, ERR_INPUT,
                       "%s must have one axis of %" PRIu64
                       " tokens, as the manifest says",
                       path, d->info.tokens);
    return tokens_check_ids(d->tokens, n, d->vocab.n, path, e);
}

static int read_contexts(struct dump *d, const char *folder, struct err *e)
{
    if (d->manifest.contexts.name == NULL)
        return 0;
    char path[OUTPUT_PATH_MAX];
    uint64_t n;
    TRY(output_join(path, folder, d->manifest.contexts.name, e));
    TRY(tokens_read_contexts(&d->contexts, &n, &d->arena, path, e));
    if (n == 0 || n - 1 != d->info.contexts)
        return err_set(e, ERR_INPUT,
                       "%s has %" PRIu64 " offsets; the manifest's %" PRIu64
                       " contexts need one more than that",
                       path, n, d->info.contexts);
    return tokens_check_contexts(d->contexts, d->info.contexts, d->info.tokens,
                                 path, e);
}

/* The vocabulary of the options counts before the folder's own. */
static int read_vocab(struct dump *d, const char *folder,
                      const struct dump_options *options, struct err *e)
{
    TRY(dump_read_vocab(d, options, e));
    if (d->vocab.n != 0 || d->manifest.vocab.name == NULL)
        return 0;
    char path[OUTPUT_PATH_MAX];
    TRY(output_join(path, folder, d->manifest.vocab.name, e));
    return vocab_read(&d->vocab, path, e);
}

static int read_weights(struct dump *d, const char *folder, struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    if (d->manifest.weights.name == NULL)
        return 0;
    TRY(output_join(path, folder, d->manifest.weights.name, e));
    return weights_open(&d->weights, path, &d->info, e);
}

static int read_groups(struct dump *d, const char *folder, struct err *e)
{
    struct manifest *m = &d->manifest;
    char path[OUTPUT_PATH_MAX];
    uint64_t n;
    int32_t *of_context;
    if (m->groups.name == NULL)
        return 0;
    TRY(output_join(path, folder, m->groups.name, e));
    TRY(groups_read(&of_context, &n, &d->arena, path, e));
    d->groups = (struct dump_groups){m->n_groups, m->group_names, of_context};
    return groups_check(&d->groups, n, d->info.contexts, path, e);
}

static int read_prompts(struct dump *d, const char *folder, struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    if (d->manifest.prompts.name == NULL)
        return 0;
    TRY(output_join(path, folder, d->manifest.prompts.name, e));
    return prompts_file_read(&d->prompts, d->contexts, d->info.contexts,
                             &d->arena, path, e);
}

int dump_open_folder(struct dump *d, const char *path,
                     const struct dump_options *options, struct err *e)
{
    TRY(check_options(options, path, e));
    TRY(read_manifest(d, path, e));
    TRY(open_shards(d, path, e));
    TRY(read_vocab(d, path, options, e));
    TRY(read_tokens(d, path, e));
    TRY(read_weights(d, path, e));
    TRY(read_contexts(d, path, e));
    TRY(read_prompts(d, path, e));
    return read_groups(d, path, e);
}
