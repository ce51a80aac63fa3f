/* SPDX-License-Identifier: MIT */
#include "dump/writing.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "dump/unfinished.h"
#include "kernels/kernels.h"

static int begin_shard(struct dump_writer *w, struct writer_layer *l,
                       struct err *e)
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

/* Records the shards that are complete in every layer, if there are more. */
static int record_complete(struct dump_writer *w, struct err *e)
{
    const struct manifest *m = &w->manifest;
    size_t each = m->n_shards / (size_t)m->info.layers, complete = each;
    for (size_t l = 0; l < (size_t)m->info.layers; l++) {
        size_t here = (size_t)(w->layers[l].shard - &m->shards[l * each]);
        complete = here < complete ? here : complete;
    }
    if (w->identity == NULL || complete == w->complete)
        return 0;
    w->complete = complete;
    return unfinished_write(w->output.partial, w->identity, m, complete, e);
}

static int end_shard(struct dump_writer *w, struct writer_layer *l,
                     struct err *e)
{
    TRY(safetensors_end(&l->file, e));
    l->shard->file.bytes = l->file.bytes;
    l->shard->file.xxh3 = l->file.xxh3;
    l->shard++;
    return record_complete(w, e);
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
static int put_values(struct dump_writer *w, struct writer_layer *l,
                      const float *z, size_t n, size_t at, struct err *e)
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
    struct writer_layer *l = &w->layers[layer - info->first_layer];
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
            TRY(end_shard(w, l, e));
        l->rows += rows;
        z += values;
        n -= rows;
    }
    return 0;
}
