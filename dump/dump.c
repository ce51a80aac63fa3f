/* SPDX-License-Identifier: MIT */
#include "dump/dump.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/output.h"
#include "base/utf8.h"
#include "dump/parts.h"
#include "kernels/kernels.h"

/* Values converted before they are checked: 64 KB of f32 are still in the
 * nearer caches. */
enum { CONVERT_VALUES = 16384 };

/* ---- opening ---- */

int dump_read_vocab(struct dump *d, const struct dump_options *options,
                    struct err *e)
{
    if (options->vocab != NULL && options->tokenizer != NULL)
        return err_set(e, ERR_INPUT,
                       "--vocab and --tokenizer: give one of them");
    if (options->vocab != NULL)
        return vocab_read(&d->vocab, options->vocab, e);
    if (options->tokenizer != NULL)
        return vocab_read_tokenizer(&d->vocab, options->tokenizer, e);
    return 0;
}

static int is_folder(bool *folder, const char *path, struct err *e)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return err_errno(e, "cannot open %s", path);
    *folder = S_ISDIR(st.st_mode);
    return 0;
}

static int open_paths(struct dump *d, const char *const *paths, size_t n_paths,
                      const struct dump_options *options, struct err *e)
{
    bool folder = false;
    for (size_t i = 0; i < n_paths; i++) {
        TRY(is_folder(&folder, paths[i], e));
        if (folder && n_paths > 1)
            return err_set(e, ERR_INPUT,
                           "%s is a folder; give one dump folder, or any "
                           "number of array files",
                           paths[i]);
    }
    char *text;
    TRY(arena_string(&d->arena, &text, paths[0], e));
    d->info.path = text;
    if (folder)
        TRY(dump_open_folder(d, paths[0], options, e));
    else
        TRY(dump_open_arrays(d, paths, n_paths, options, e));
    TRY(dump_read_groups(d, options, e));
    if (options->model == NULL)
        return 0;
    size_t length = strlen(options->model);
    if (utf8_valid_prefix(options->model, length) != length)
        return err_set(e, ERR_INPUT, "--model-name %s: is not UTF-8",
                       options->model);
    TRY(arena_string(&d->arena, &text, options->model, e));
    d->info.model = text;
    return 0;
}

int dump_open(struct dump **out, const char *const *paths, size_t n_paths,
              const struct dump_options *options, struct err *e)
{
    assert(n_paths > 0);
    *out = NULL;
    struct dump *d = calloc(1, sizeof *d);
    if (d == NULL)
        return err_memory(e, "dump", sizeof *d);
    int code = open_paths(d, paths, n_paths, options, e);
    if (code != 0)
        dump_close(&d);
    *out = d;
    return code;
}

void dump_close(struct dump **dump)
{
    struct dump *d = *dump;
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->n_sources; i++)
        source_close(&d->sources[i]);
    weights_close(&d->weights);
    manifest_free(&d->manifest);
    vocab_free(&d->vocab);
    arena_free(&d->arena);
    free(d);
    *dump = NULL;
}

const struct dump_info *dump_info(const struct dump *d)
{
    return &d->info;
}

const int32_t *dump_tokens(const struct dump *d)
{
    return d->tokens;
}

const int64_t *dump_contexts(const struct dump *d)
{
    return d->contexts;
}

const struct dump_prompts *dump_prompts(const struct dump *d)
{
    return d->prompts.label != NULL ? &d->prompts : NULL;
}

const float *dump_w_o(const struct dump *d, int layer)
{
    const struct dump_info *info = &d->info;
    size_t size =
        (size_t)info->heads * (size_t)info->d_head * (size_t)info->d_model;
    if (d->weights.w_o == NULL)
        return NULL;
    return d->weights.w_o + (size_t)(layer - info->first_layer) * size;
}

const struct unembedding *dump_unembedding(const struct dump *d)
{
    const struct unembedding *u = &d->weights.unembedding;
    return u->w_u != NULL ? u : NULL;
}

const struct vocab *dump_vocab(const struct dump *d)
{
    return d->vocab.n != 0 ? &d->vocab : NULL;
}

const struct dump_groups *dump_groups(const struct dump *d)
{
    return d->groups.n != 0 ? &d->groups : NULL;
}

/* ---- reading ---- */

static const struct dump_layer *layer_of(const struct dump *d, int layer)
{
    assert(layer >= d->info.first_layer &&
           layer - d->info.first_layer < d->info.layers);
    return &d->layers[layer - d->info.first_layer];
}

/* The segment that holds a row, by bisection. */
static const struct dump_segment *segment_of(const struct dump_layer *layer,
                                             uint64_t row)
{
    size_t low = 0, high = layer->n;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (layer->segments[middle].first <= row)
            low = middle;
        else
            high = middle;
    }
    return &layer->segments[low];
}

static size_t width_of(const struct dump *d)
{
    return (size_t)d->info.heads * (size_t)d->info.d_head;
}

static int bad_value(const struct dump *d, int layer, uint64_t row,
                     size_t column, float value, struct err *e)
{
    const struct dump_segment *s = segment_of(layer_of(d, layer), row);
    return err_set(e, ERR_INPUT,
                   "%s: layer %d, row %" PRIu64 " (token %" PRIu64
                   " of the dump): %s at column %zu; activations must be "
                   "finite",
                   s->path, layer, row - s->first, row,
                   isnan(value) ? "NaN" : "infinity", column);
}

/* Converts `n` values that lie together; *bad is the index of the first that
 * is not finite, n if none. */
static void convert(const struct dump *d, float *out, const void *raw, size_t n,
                    size_t *bad)
{
    const struct tensor t = {.dtype = d->info.dtype, .data = raw};
    tensor_to_float(out, &t, 0, n);
    *bad = kernels.first_not_finite(out, n);
}

/* Rows from `first` on that lie in one file, at most n: where, and how far
 * from row to row. */
static size_t run_at(const struct dump *d, int layer, uint64_t first, size_t n,
                     const unsigned char **data, size_t *stride)
{
    const struct dump_segment *s = segment_of(layer_of(d, layer), first);
    uint64_t inside = first - s->first;
    *data = s->data + inside * s->stride;
    *stride = s->stride;
    return s->rows - inside < n ? (size_t)(s->rows - inside) : n;
}

/* As many rows as are converted in one go. */
static size_t piece(const struct dump *d, size_t stride, size_t n)
{
    size_t rows = CONVERT_VALUES / width_of(d);
    if (rows == 0 || stride != d->row_bytes)
        rows = 1;
    return rows < n ? rows : n;
}

int dump_read(const struct dump *d, int layer, uint64_t first, size_t n,
              float *out, struct err *e)
{
    size_t width = width_of(d);
    assert(n <= d->info.tokens && first <= d->info.tokens - n);
    while (n > 0) {
        const unsigned char *data;
        size_t stride;
        size_t rows = run_at(d, layer, first, n, &data, &stride);
        for (size_t done = 0; done < rows;) {
            size_t part = piece(d, stride, rows - done), bad;
            convert(d, out, data + done * stride, part * width, &bad);
            if (bad < part * width)
                return bad_value(d, layer, first + done + bad / width,
                                 bad % width, out[bad], e);
            out += part * width;
            done += part;
        }
        first += rows;
        n -= rows;
    }
    return 0;
}

void dump_read_raw(const struct dump *d, int layer, uint64_t first, size_t n,
                   void *out)
{
    unsigned char *to = out;
    assert(n <= d->info.tokens && first <= d->info.tokens - n);
    while (n > 0) {
        const unsigned char *data;
        size_t stride;
        size_t rows = run_at(d, layer, first, n, &data, &stride);
        if (stride == d->row_bytes)
            memcpy(to, data, rows * stride);
        else
            for (size_t i = 0; i < rows; i++)
                memcpy(to + i * d->row_bytes, data + i * stride, d->row_bytes);
        to += rows * d->row_bytes;
        first += rows;
        n -= rows;
    }
}

int dump_convert_part(const struct dump *d, int layer, const void *raw,
                      uint64_t row, size_t first, size_t n, float *out,
                      struct err *e)
{
    const unsigned char *from = raw;
    size_t bad;
    convert(d, out, from + first * dtype_size(d->info.dtype), n, &bad);
    return bad < n ? bad_value(d, layer, row, first + bad, out[bad], e) : 0;
}

/* ---- verifying ---- */

static int verify_file(const struct dump *d, const struct manifest_file *file,
                       struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    uint64_t bytes, xxh3;
    if (file->name == NULL)
        return 0;
    TRY(output_join(path, d->info.path, file->name, e));
    TRY(checksum_file(&bytes, &xxh3, path, e));
    if (bytes != file->bytes || xxh3 != file->xxh3)
        return err_set(e, ERR_INPUT,
                       "%s is not the file that the manifest describes: its "
                       "size or checksum differs",
                       path);
    return 0;
}

/* A shard whose checksum differs often holds a value that names the trouble:
 * reading its rows finds a NaN or an infinity. Else there is nothing to add. */
static int look_for_bad_values(const struct dump *d,
                               const struct manifest_shard *s, struct err *e)
{
    enum { ROWS = 256 };
    size_t width = (size_t)d->info.heads * (size_t)d->info.d_head;
    float *rows = malloc(ROWS * width * sizeof *rows);
    if (rows == NULL)
        return err_memory(e, "rows", ROWS * width * sizeof *rows);
    int code = 0;
    for (uint64_t r = 0; code == 0 && r < s->rows; r += ROWS) {
        size_t n = s->rows - r < ROWS ? (size_t)(s->rows - r) : ROWS;
        code = dump_read(d, s->layer, s->first_row + r, n, rows, e);
    }
    free(rows);
    return code;
}

int dump_verify_layer(const struct dump *d, int layer, struct err *e)
{
    const struct manifest *m = &d->manifest;
    for (size_t i = 0; i < m->n_shards; i++) {
        const struct manifest_shard *s = &m->shards[i];
        struct err mismatch = {0};
        if (s->layer != layer || verify_file(d, &s->file, &mismatch) == 0)
            continue;
        TRY(look_for_bad_values(d, s, e));
        return err_set(e, mismatch.code, "%s", mismatch.msg);
    }
    return verify_file(d, &m->weights, e);
}

int dump_verify(const struct dump *d, struct err *e)
{
    const struct manifest *m = &d->manifest;
    TRY(verify_file(d, &m->tokens, e));
    TRY(verify_file(d, &m->contexts, e));
    TRY(verify_file(d, &m->vocab, e));
    TRY(verify_file(d, &m->weights, e));
    TRY(verify_file(d, &m->groups, e));
    TRY(verify_file(d, &m->prompts, e));
    for (size_t i = 0; i < m->n_shards; i++)
        TRY(verify_file(d, &m->shards[i].file, e));
    return 0;
}
