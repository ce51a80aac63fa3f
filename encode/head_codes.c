/* SPDX-License-Identifier: MIT */
#include "encode/head_codes.h"

#include <math.h>

#include "encode/by_key.h"
#include "encode/statistics.h"

enum { BUFFER_BYTES = 1 << 18, BATCH = 4096 };

int head_codes_init(struct head_codes *h, int heads, size_t m, const char *path,
                    struct err *e)
{
    *h = (struct head_codes){.heads = (size_t)heads, .m = m};
    int code = arena_get(&h->arena, &h->count, h->heads * m, sizeof *h->count,
                         "head codes", e);
    if (code == 0)
        code = temporary_open(&h->file, path, BUFFER_BYTES, e);
    if (code != 0)
        head_codes_free(h);
    return code;
}

void head_codes_free(struct head_codes *h)
{
    temporary_close(&h->file);
    arena_free(&h->arena);
    *h = (struct head_codes){0};
}

int head_codes_add(struct head_codes *h, const struct chunk *c, struct err *e)
{
    for (size_t r = 0; r < c->n; r++) {
        if (!c->sample->in[c->context[r]])
            continue;
        const uint32_t *code = c->head_code + r * h->heads;
        for (size_t i = 0; i < h->heads; i++)
            if (code[i] != CHUNK_NO_CODE)
                h->count[i * h->m + code[i]]++;
        TRY(temporary_write(&h->file, code, h->heads * sizeof *code, e));
    }
    return 0;
}

void head_codes_measure(const struct head_codes *h, int head, int64_t *codes,
                        double *entropy)
{
    const uint64_t *count = h->count + (size_t)head * h->m;
    uint64_t sum = 0;
    double weighted = 0; /* Σ n log2 n */
    for (size_t f = 0; f < h->m; f++) {
        sum += count[f];
        if (count[f] > 0)
            weighted += (double)count[f] * log2((double)count[f]);
    }
    *codes = (int64_t)sum;
    *entropy =
        sum == 0 ? (double)NAN : statistics_entropy((double)sum, weighted);
}

/* ---- writing ---- */

int head_codes_write_counts(const struct head_codes *h, struct store_writer *w,
                            struct err *e)
{
    const uint64_t *count = h->count;
    for (size_t i = 0; i < h->heads; i++)
        for (size_t f = 0; f < h->m; f++, count++)
            if (*count > 0)
                TRY(store_writer_head_code_count(w, (int)i, (int64_t)f,
                                                 (int64_t)*count, e));
    return 0;
}

/* Reads the codes of one token into `codes` (heads) and sorts them in. */
static int sort_token(struct head_codes *h, struct by_key *sorted,
                      uint32_t *codes, uint32_t token, struct err *e)
{
    TRY(temporary_read(&h->file, codes, h->heads * sizeof *codes, e));
    for (size_t i = 0; i < h->heads; i++) {
        uint32_t key = (uint32_t)(i * h->m) + codes[i];
        struct by_key_entry entry = {.key = key, .token = token};
        if (codes[i] != CHUNK_NO_CODE)
            TRY(by_key_add(sorted, entry, e));
    }
    return 0;
}

static int sort_all(struct head_codes *h, struct by_key *sorted,
                    const struct sample *s, struct err *e)
{
    uint32_t *codes;
    TRY(arena_get(&h->arena, &codes, h->heads, sizeof *codes, "head codes", e));
    TRY(temporary_rewind(&h->file, e));
    for (size_t c = 0; c < s->contexts; c++)
        for (int64_t t = s->start[c]; s->in[c] && t < s->start[c + 1]; t++)
            TRY(sort_token(h, sorted, codes, (uint32_t)t, e));
    return 0;
}

struct batch {
    const struct head_codes *codes;
    struct by_key *sorted;
    struct by_key_entry entry[BATCH];
    struct store_head_code rows[BATCH];
};

static int next_batch(void *ctx, const void **rows, size_t *n, struct err *e)
{
    struct batch *b = ctx;
    size_t m = b->codes->m;
    TRY(by_key_take(b->sorted, b->entry, BATCH, n, e));
    for (size_t i = 0; i < *n; i++)
        b->rows[i] = (struct store_head_code){(int)(b->entry[i].key / m),
                                              (uint32_t)(b->entry[i].key % m),
                                              b->entry[i].token};
    *rows = b->rows;
    return 0;
}

int head_codes_write(struct head_codes *h, const struct sample *sample,
                     uint64_t memory, struct store_writer *w, struct err *e)
{
    struct by_key sorted;
    TRY(by_key_init(&sorted, h->count, h->heads * h->m, memory, h->file.path,
                    e));
    int code = sort_all(h, &sorted, sample, e);
    if (code == 0) {
        struct batch b = {.codes = h, .sorted = &sorted};
        struct store_source source = {next_batch, &b};
        code = store_writer_head_codes(w, &source, e);
    }
    by_key_free(&sorted);
    return code;
}
