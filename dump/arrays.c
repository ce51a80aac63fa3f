/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dump/parts.h"
#include "dump/tokens.h"

/* What the axes of an array say. */
struct axes {
    int64_t layers, heads, d_head;
    int64_t positions; /* rows of an entry of the first axis */
};

static const struct {
    const char *name;
    int rank;
} layouts[] = {
    [LAYOUT_NONE] = {"none", 0},
    [LAYOUT_TOKENS_D] = {"tokens,d", 2},
    [LAYOUT_TOKENS_HEADS_DHEAD] = {"tokens,heads,d_head", 3},
    [LAYOUT_CONTEXTS_POSITIONS_HEADS_DHEAD] =
        {"contexts,positions,heads,d_head", 4},
    [LAYOUT_TOKENS_LAYERS_HEADS_DHEAD] = {"tokens,layers,heads,d_head", 4},
};

/* ---- shape ---- */

static int check_rank(const struct source *s, int layout, struct err *e)
{
    if (layout != LAYOUT_NONE && s->z.rank == layouts[layout].rank)
        return 0;
    char shape[256], problem[80] = "";
    tensor_describe(shape, sizeof shape, &s->z);
    if (layout != LAYOUT_NONE)
        (void)snprintf(problem, sizeof problem, ", which is not %s",
                       layouts[layout].name);
    return err_set(e, ERR_INPUT,
                   "%s is %s%s; name its axes with --layout: %s | %s | %s | %s",
                   s->path, shape, problem, layouts[1].name, layouts[2].name,
                   layouts[3].name, layouts[4].name);
}

static int split_width(struct axes *x, const struct source *s, int64_t heads,
                       struct err *e)
{
    int64_t width = s->z.shape[1];
    x->heads = heads == 0 ? 1 : heads;
    x->d_head = width / x->heads;
    if (width % x->heads != 0)
        return err_set(e, ERR_INPUT,
                       "--row-heads %" PRId64 ": the width %" PRId64
                       " of %s is no multiple of it",
                       heads, width, s->path);
    return 0;
}

static int read_axes(struct axes *x, const struct source *s,
                     const struct dump_options *o, struct err *e)
{
    const int64_t *shape = s->z.shape;
    TRY(check_rank(s, o->layout, e));
    *x = (struct axes){.layers = 1, .positions = 1};
    if (o->layout == LAYOUT_TOKENS_D)
        return split_width(x, s, o->heads, e);
    x->heads = shape[s->z.rank - 2];
    x->d_head = shape[s->z.rank - 1];
    if (o->layout == LAYOUT_CONTEXTS_POSITIONS_HEADS_DHEAD)
        x->positions = shape[1];
    if (o->layout == LAYOUT_TOKENS_LAYERS_HEADS_DHEAD)
        x->layers = shape[1];
    if (o->heads != 0 && o->heads != x->heads)
        return err_set(e, ERR_INPUT,
                       "--row-heads %" PRId64 ": %s has %" PRId64 " heads",
                       o->heads, s->path, x->heads);
    return 0;
}

static int check_axes(const struct axes *x, const struct source *s,
                      const struct dump_options *o, struct err *e)
{
    char shape[256];
    tensor_describe(shape, sizeof shape, &s->z);
    if (s->z.bytes == 0)
        return err_set(e, ERR_INPUT, "%s is %s: it has no rows", s->path,
                       shape);
    if (x->heads > DUMP_HEADS_MAX || x->d_head > DUMP_WIDTH_MAX / x->heads)
        return err_set(e, ERR_INPUT,
                       "%s is %s: at most %d heads and %d values in a row of "
                       "one layer are read",
                       s->path, shape, DUMP_HEADS_MAX, DUMP_WIDTH_MAX);
    if (o->first_layer > DUMP_LAYERS_MAX - x->layers)
        return err_set(e, ERR_INPUT,
                       "%s is %s: layers from %" PRId64
                       " go beyond %d, the last that is read",
                       s->path, shape, o->first_layer, DUMP_LAYERS_MAX - 1);
    return 0;
}

/* ---- files ---- */

static int open_files(struct dump *d, const char *const *paths, size_t n,
                      const char *tensor, struct err *e)
{
    TRY(arena_get(&d->arena, &d->sources, n, sizeof *d->sources, "files", e));
    d->n_sources = n;
    for (size_t i = 0; i < n; i++) {
        char *path;
        TRY(arena_string(&d->arena, &path, paths[i], e));
        TRY(source_open(&d->sources[i], path, tensor, e));
    }
    return 0;
}

/* Joined files differ in the first axis only. */
static int check_same(const struct source *a, const struct source *b,
                      struct err *e)
{
    if (a->z.dtype == b->z.dtype && a->z.rank == b->z.rank &&
        memcmp(a->z.shape + 1, b->z.shape + 1,
               (TENSOR_RANK_MAX - 1) * sizeof *a->z.shape) == 0)
        return 0;
    char first[256], other[256];
    tensor_describe(first, sizeof first, &a->z);
    tensor_describe(other, sizeof other, &b->z);
    return err_set(e, ERR_INPUT,
                   "%s is %s, but %s is %s: only the first size may differ",
                   b->path, other, a->path, first);
}

static void set_info(struct dump *d, const struct axes *x,
                     const struct dump_options *o)
{
    struct dump_info *info = &d->info;
    info->model = "unknown";
    info->bos = "unknown";
    info->fold_value_biases = -1;
    info->first_layer = (int)o->first_layer;
    info->layers = (int)x->layers;
    info->heads = (int)x->heads;
    info->d_head = (int)x->d_head;
    info->dtype = d->sources[0].z.dtype;
    d->row_bytes =
        (size_t)x->heads * (size_t)x->d_head * dtype_size(info->dtype);
}

/* Every layer has one segment in each file. */
static int make_layers(struct dump *d, const struct axes *x, struct err *e)
{
    size_t layers = (size_t)d->info.layers;
    TRY(arena_get(&d->arena, &d->layers, layers, sizeof *d->layers, "layers",
                  e));
    for (size_t l = 0; l < layers; l++) {
        struct dump_layer *layer = &d->layers[l];
        TRY(arena_get(&d->arena, &layer->segments, d->n_sources,
                      sizeof *layer->segments, "files", e));
        layer->n = d->n_sources;
        uint64_t reached = 0;
        for (size_t i = 0; i < d->n_sources; i++) {
            const struct source *s = &d->sources[i];
            layer->segments[i] = (struct dump_segment){
                .first = reached,
                .rows = (uint64_t)s->z.shape[0] * (uint64_t)x->positions,
                .data = (const unsigned char *)s->z.data + l * d->row_bytes,
                .stride = layers * d->row_bytes,
                .path = s->path,
            };
            reached += layer->segments[i].rows;
        }
        d->info.tokens = reached;
    }
    return 0;
}

/* ---- tokens and contexts ---- */

static int make_contexts(struct dump *d, uint64_t positions, struct err *e)
{
    d->info.contexts = d->info.tokens / positions;
    TRY(arena_get(&d->arena, &d->contexts, d->info.contexts + 1,
                  sizeof *d->contexts, "contexts", e));
    for (uint64_t c = 0; c <= d->info.contexts; c++)
        d->contexts[c] = (int64_t)(c * positions);
    return 0;
}

/* Contexts come from the layout, or from token ids with two axes. */
static int read_tokens(struct dump *d, const struct axes *x,
                       const struct dump_options *o, struct err *e)
{
    uint64_t n, positions = 0, of_layout = 0;
    if (o->layout == LAYOUT_CONTEXTS_POSITIONS_HEADS_DHEAD)
        of_layout = (uint64_t)x->positions;
    if (o->token_ids != NULL) {
        TRY(tokens_read_ids(&d->tokens, &n, &positions, &d->arena, o->token_ids,
                            e));
        if (n != d->info.tokens)
            return err_set(e, ERR_INPUT,
                           "%s has %" PRIu64 " token ids for %" PRIu64
                           " rows of activations",
                           o->token_ids, n, d->info.tokens);
        if (positions != 0 && of_layout != 0 && positions != of_layout)
            return err_set(e, ERR_INPUT,
                           "%s has %" PRIu64
                           " positions a context, the activations have "
                           "%" PRIu64,
                           o->token_ids, positions, of_layout);
        TRY(tokens_check_ids(d->tokens, n, d->vocab.n, o->token_ids, e));
    }
    if (of_layout != 0)
        positions = of_layout;
    return positions != 0 ? make_contexts(d, positions, e) : 0;
}

static int make_fingerprint(struct dump *d, struct err *e)
{
    const struct dump_info *info = &d->info;
    struct fingerprint f;
    char *out, shape[256];
    (void)snprintf(shape, sizeof shape,
                   "arrays %s %d %d %d %d %" PRIu64 " %" PRIu64 "\n",
                   dtype_name(info->dtype), info->first_layer, info->layers,
                   info->heads, info->d_head, info->tokens, info->contexts);
    TRY(arena_get(&d->arena, &out, FINGERPRINT_HEX, 1, "text", e));
    TRY(fingerprint_begin(&f, e));
    fingerprint_add(&f, shape, strlen(shape));
    for (size_t i = 0; i < d->n_sources; i++)
        fingerprint_add(&f, d->sources[i].z.data, d->sources[i].z.bytes);
    if (d->tokens != NULL)
        fingerprint_add(&f, d->tokens, info->tokens * sizeof *d->tokens);
    if (d->contexts != NULL)
        fingerprint_add(&f, d->contexts,
                        (info->contexts + 1) * sizeof *d->contexts);
    fingerprint_end(&f, out);
    d->info.fingerprint = out;
    return 0;
}

int dump_open_arrays(struct dump *d, const char *const *paths, size_t n_paths,
                     const struct dump_options *options, struct err *e)
{
    struct axes x = {0};
    TRY(open_files(d, paths, n_paths, options->tensor, e));
    for (size_t i = 0; i < n_paths; i++) {
        TRY(check_same(&d->sources[0], &d->sources[i], e));
        TRY(read_axes(&x, &d->sources[i], options, e));
        TRY(check_axes(&x, &d->sources[i], options, e));
    }
    set_info(d, &x, options);
    TRY(make_layers(d, &x, e));
    TRY(dump_read_vocab(d, options, e));
    TRY(read_tokens(d, &x, options, e));
    return make_fingerprint(d, e);
}
