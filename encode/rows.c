/* SPDX-License-Identifier: MIT */
#include "encode/rows.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/interrupt.h"
#include "base/progress.h"
#include "encode/levels.h"
#include "encode/windows.h"

enum { BATCH_ROWS = 4096 };

struct rows {
    struct scan *scan;
    struct store_writer *writer;
    const double *scale; /* (m) */
    struct windows windows;
    uint32_t *histogram; /* (m, STORE_HISTOGRAM_BINS) over all tokens */
    /* The sample in feature order: feature f's are [next[f - 1], next[f]) of
     * token and level once all are placed. */
    size_t *next; /* (m) */
    uint32_t *token;
    uint8_t *level;
    uint64_t total; /* activations of the sample */
    struct store_activation *batch;
    size_t n_batch;
    struct store_activation *around; /* near examples, in token order */
    size_t n_around, around_capacity;
    struct progress bar;
    uint64_t written;
    struct arena arena;
};

static int rows_init(struct rows *r, struct scan *s, const double *scale,
                     struct store_writer *w, struct err *e)
{
    *r = (struct rows){.scan = s, .writer = w, .scale = scale};
    size_t m = s->in.sae->m;
    static const char what[] = "rows of the database";
    TRY(arena_get(&r->arena, &r->next, m, sizeof *r->next, what, e));
    for (size_t f = 0; f < m; f++) {
        r->next[f] = (size_t)r->total;
        r->total += s->statistics.sampled[f];
    }
    TRY(arena_get(&r->arena, &r->token, (size_t)r->total, sizeof *r->token,
                  what, e));
    TRY(arena_get(&r->arena, &r->level, (size_t)r->total, sizeof *r->level,
                  what, e));
    TRY(arena_get(&r->arena, &r->histogram, m * STORE_HISTOGRAM_BINS,
                  sizeof *r->histogram, what, e));
    TRY(arena_get(&r->arena, &r->batch, BATCH_ROWS, sizeof *r->batch, what, e));
    return windows_init(&r->windows, &s->top.best, m, s->in.sample,
                        STORE_EXAMPLE_WINDOW, e);
}

static void rows_free(struct rows *r)
{
    windows_free(&r->windows);
    free(r->around);
    arena_free(&r->arena);
}

/* ---- batches ---- */

typedef int write_fn(struct store_writer *w, const struct store_activation *a,
                     size_t n, struct err *e);

static int flush(struct rows *r, write_fn *write, struct err *e)
{
    if (interrupt_requested())
        return err_set(e, ERR_INTERRUPTED, "interrupted");
    TRY(write(r->writer, r->batch, r->n_batch, e));
    r->written += r->n_batch;
    r->n_batch = 0;
    progress_set(&r->bar, r->written, NULL);
    return 0;
}

static int put(struct rows *r, write_fn *write, struct store_activation a,
               struct err *e)
{
    r->batch[r->n_batch++] = a;
    return r->n_batch < BATCH_ROWS ? 0 : flush(r, write, e);
}

/* ---- token order ---- */

static int keep_around(struct rows *r, struct store_activation a, struct err *e)
{
    if (r->n_around == r->around_capacity) {
        size_t capacity =
            r->around_capacity == 0 ? BATCH_ROWS : 2 * r->around_capacity;
        struct store_activation *around =
            realloc(r->around, capacity * sizeof *around);
        if (around == NULL)
            return err_memory(e, "windows around examples",
                              capacity * sizeof *around);
        r->around = around;
        r->around_capacity = capacity;
    }
    r->around[r->n_around++] = a;
    return 0;
}

static int add(struct rows *r, struct store_activation a, bool sampled,
               struct err *e)
{
    r->histogram[(size_t)a.feature * STORE_HISTOGRAM_BINS +
                 (size_t)levels_bin(a.level)]++;
    if (windows_contain(&r->windows, a.feature, a.token))
        TRY(keep_around(r, a, e));
    if (!sampled)
        return 0;
    size_t at = r->next[a.feature]++;
    r->token[at] = a.token;
    r->level[at] = a.level;
    return put(r, store_writer_by_token, a, e);
}

static int add_chunk(struct rows *r, uint64_t first, size_t n, struct err *e)
{
    struct spill *spill = &r->scan->spill;
    const struct sample *sample = r->scan->in.sample;
    TRY(spill_read(spill, n, e));
    size_t context = sample_context(sample, first), i = 0;
    for (size_t row = 0; row < n; row++) {
        uint64_t token = first + row;
        while (token >= (uint64_t)sample->start[context + 1])
            context++;
        for (uint32_t left = spill->counts[row]; left > 0; left--, i++) {
            uint32_t f = spill->feature[i];
            uint8_t level = levels_of(spill->value[i], r->scale[f]);
            struct store_activation a = {f, (uint32_t)token, level};
            TRY(add(r, a, sample->in[context], e));
        }
    }
    return 0;
}

static int write_by_token(struct rows *r, struct err *e)
{
    for (uint64_t first = 0; first < r->scan->tokens; first += CHUNK_ROWS) {
        uint64_t left = r->scan->tokens - first;
        TRY(add_chunk(r, first, left < CHUNK_ROWS ? (size_t)left : CHUNK_ROWS,
                      e));
    }
    return flush(r, store_writer_by_token, e);
}

/* ---- feature order ---- */

static int write_by_feature(struct rows *r, struct err *e)
{
    size_t i = 0, m = r->scan->in.sae->m;
    for (size_t f = 0; f < m; f++)
        for (; i < r->next[f]; i++) {
            struct store_activation a = {(uint32_t)f, r->token[i], r->level[i]};
            TRY(put(r, store_writer_by_feature, a, e));
        }
    return flush(r, store_writer_by_feature, e);
}

static int write_histograms(const struct rows *r, struct err *e)
{
    const uint32_t *count = r->histogram;
    for (size_t f = 0; f < r->scan->in.sae->m; f++)
        for (int bin = 0; bin < STORE_HISTOGRAM_BINS; bin++, count++)
            if (*count > 0)
                TRY(store_writer_histogram(r->writer, (int64_t)f, bin, *count,
                                           e));
    return 0;
}

static int by_feature(const void *left, const void *right)
{
    const struct store_activation *a = left, *b = right;
    if (a->feature != b->feature)
        return a->feature < b->feature ? -1 : 1;
    return (a->token > b->token) - (a->token < b->token);
}

static int write_around(struct rows *r, struct err *e)
{
    if (r->n_around == 0)
        return 0;
    qsort(r->around, r->n_around, sizeof *r->around, by_feature);
    return store_writer_around_examples(r->writer, r->around, r->n_around, e);
}

int rows_write(struct scan *s, const double *scale, struct store_writer *w,
               struct err *e)
{
    struct rows r;
    char what[128];
    (void)snprintf(what, sizeof what, "write %.100s", s->in.sae->name);
    int code = rows_init(&r, s, scale, w, e);
    progress_begin(&r.bar, what, "rows", 0, 2 * r.total);
    if (code == 0)
        code = write_by_token(&r, e);
    if (code == 0)
        code = write_by_feature(&r, e);
    if (code == 0)
        code = write_histograms(&r, e);
    if (code == 0)
        code = write_around(&r, e);
    progress_end(&r.bar);
    rows_free(&r);
    return code;
}
