/* SPDX-License-Identifier: MIT */
#include "encode/rows.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/interrupt.h"
#include "base/progress.h"
#include "encode/ahead.h"
#include "encode/by_key.h"
#include "encode/levels.h"

struct rows {
    struct scan *scan;
    struct store_writer *writer;
    const double *scale;      /* (m) */
    struct windows *windows;  /* around examples */
    uint32_t *histogram;      /* (m, STORE_HISTOGRAM_BINS) over all tokens */
    struct by_key by_feature; /* the sample */
    struct store_activation *around; /* near examples, in token order */
    size_t n_around, around_capacity;
    /* How far the codes have been read: of the chunk that begins at `first`
     * and has n rows, up to row `row`, of which `left` from `entry` on. */
    uint64_t first;
    size_t n, row, left, entry, context;
    struct ahead ahead;
    struct progress bar;
    uint64_t written;
    struct arena arena;
};

static int rows_init(struct rows *r, struct scan *s, const double *scale,
                     struct windows *around, struct store_writer *w,
                     struct err *e)
{
    *r = (struct rows){
        .scan = s, .writer = w, .scale = scale, .windows = around};
    size_t m = s->in.sae->m;
    TRY(arena_get(&r->arena, &r->histogram, m * STORE_HISTOGRAM_BINS,
                  sizeof *r->histogram, "histograms", e));
    return by_key_init(&r->by_feature, s->statistics.sampled, m,
                       s->in.memory / SCAN_MEMORY_SHARES, s->in.output, e);
}

static void rows_free(struct rows *r)
{
    ahead_end(&r->ahead);
    by_key_free(&r->by_feature);
    free(r->around);
    arena_free(&r->arena);
}

/* ---- from the thread that makes rows to the one that writes them ---- */

static int next_rows(void *ctx, const void **rows, size_t *n, struct err *e)
{
    struct rows *r = ctx;
    if (interrupt_requested())
        return err_set(e, ERR_INTERRUPTED, "interrupted");
    TRY(ahead_next(&r->ahead, rows, n, e));
    r->written += *n;
    progress_set(&r->bar, r->written, NULL);
    return 0;
}

typedef int write_fn(struct store_writer *w, const struct store_source *rows,
                     struct err *e);

static int write_tree(struct rows *r, ahead_fill *fill, write_fn *write,
                      struct err *e)
{
    struct store_source source = {next_rows, r};
    TRY(ahead_begin(&r->ahead, fill, r, sizeof(struct store_activation),
                    r->scan->in.team->threads > 1, e));
    int code = write(r->writer, &source, e);
    ahead_end(&r->ahead);
    return code;
}

/* ---- token order ---- */

static int keep_around(struct rows *r, struct store_activation a, struct err *e)
{
    if (r->n_around == r->around_capacity) {
        size_t capacity =
            r->around_capacity == 0 ? AHEAD_ROWS : 2 * r->around_capacity;
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

static int note(struct rows *r, struct store_activation a, bool sampled,
                struct err *e)
{
    r->histogram[(size_t)a.feature * STORE_HISTOGRAM_BINS +
                 (size_t)levels_bin(a.level)]++;
    if (!sampled)
        return windows_contain(r->windows, a.feature, a.token)
                   ? keep_around(r, a, e)
                   : 0;
    struct by_key_entry entry = {a.feature, a.token, a.level};
    return by_key_add(&r->by_feature, entry, e);
}

/* Goes to the next row with an activation; r->left stays 0 behind the last. */
static int next_row(struct rows *r, struct err *e)
{
    struct scan *s = r->scan;
    struct spill *spill = &s->spill;
    while (r->left == 0) {
        if (r->row == r->n) {
            r->first += r->n;
            if (r->first >= s->tokens)
                return 0;
            uint64_t rest = s->tokens - r->first;
            r->n = rest < CHUNK_ROWS ? (size_t)rest : CHUNK_ROWS;
            r->row = r->entry = 0;
            TRY(spill_read(spill, r->n, e));
        }
        r->left = spill->counts[r->row++];
        uint64_t token = r->first + r->row - 1;
        while (token >= (uint64_t)s->in.sample->start[r->context + 1])
            r->context++;
        if (s->in.sample->in[r->context])
            TRY(head_codes_next(&s->head_codes, e));
    }
    return 0;
}

/* As ahead_fill: rows of the sample as struct store_activation. */
static int fill_by_token(void *ctx, void *rows, size_t max, size_t *n,
                         struct err *e)
{
    struct rows *r = ctx;
    const struct spill *spill = &r->scan->spill;
    struct store_activation *out = rows;
    for (*n = 0; *n < max;) {
        TRY(next_row(r, e));
        if (r->left == 0)
            break;
        bool sampled = r->scan->in.sample->in[r->context];
        uint32_t token = (uint32_t)(r->first + r->row - 1);
        for (; r->left > 0 && *n < max; r->left--, r->entry++) {
            uint32_t f = spill->feature[r->entry];
            uint8_t level = levels_of(spill->value[r->entry], r->scale[f]);
            struct store_activation a = {
                .feature = f, .token = token, .level = level};
            if (sampled)
                a.heads = head_codes_of(&r->scan->head_codes, f);
            TRY(note(r, a, sampled, e));
            out[*n] = a;
            *n += sampled;
        }
    }
    return 0;
}

/* ---- feature order ---- */

static int fill_by_feature(void *ctx, void *rows, size_t max, size_t *n,
                           struct err *e)
{
    struct rows *r = ctx;
    struct by_key_entry entry[1024];
    struct store_activation *out = rows;
    for (*n = 0; *n < max;) {
        size_t got, most = max - *n < 1024 ? max - *n : 1024;
        TRY(by_key_take(&r->by_feature, entry, most, &got, e));
        if (got == 0)
            break;
        for (size_t i = 0; i < got; i++)
            out[(*n)++] = (struct store_activation){.feature = entry[i].key,
                                                    .token = entry[i].token,
                                                    .level = entry[i].level};
    }
    return 0;
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
    if (r->n_around > 0)
        qsort(r->around, r->n_around, sizeof *r->around, by_feature);
    struct store_array array = {r->around, r->n_around};
    struct store_source source = {store_array_next, &array};
    return store_writer_around_examples(r->writer, &source, e);
}

int rows_write(struct scan *s, const double *scale, struct windows *around,
               struct store_writer *w, struct err *e)
{
    struct rows r;
    char what[128];
    (void)snprintf(what, sizeof what, "write %.100s", s->in.sae->name);
    uint64_t total = 0;
    for (size_t f = 0; f < s->in.sae->m; f++)
        total += s->statistics.sampled[f];
    int code = rows_init(&r, s, scale, around, w, e);
    progress_begin(&r.bar, what, "rows", 0, 2 * total);
    if (code == 0)
        code = write_tree(&r, fill_by_token, store_writer_by_token, e);
    if (code == 0)
        code = write_tree(&r, fill_by_feature, store_writer_by_feature, e);
    if (code == 0)
        code = write_histograms(&r, e);
    if (code == 0)
        code = write_around(&r, e);
    progress_end(&r.bar);
    rows_free(&r);
    return code;
}
