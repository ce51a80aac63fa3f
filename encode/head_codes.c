/* SPDX-License-Identifier: MIT */
#include "encode/head_codes.h"

#include <math.h>

#include "encode/statistics.h"

enum { BUFFER_BYTES = 1 << 18 };

int head_codes_init(struct head_codes *h, int heads, size_t m, const char *path,
                    struct err *e)
{
    *h = (struct head_codes){.heads = (size_t)heads, .m = m};
    if (heads > HEAD_CODES_MAX)
        return err_set(e, ERR_INPUT,
                       "%d heads: a database holds the codes of %d at most",
                       heads, HEAD_CODES_MAX);
    int code = arena_get(&h->arena, &h->count, h->heads * m, sizeof *h->count,
                         "head codes", e);
    if (code == 0)
        code = arena_get(&h->arena, &h->codes, h->heads, sizeof *h->codes,
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

int head_codes_next(struct head_codes *h, struct err *e)
{
    if (!h->reading)
        TRY(temporary_rewind(&h->file, e));
    h->reading = true;
    return temporary_read(&h->file, h->codes, h->heads * sizeof *h->codes, e);
}

uint64_t head_codes_of(const struct head_codes *h, uint32_t feature)
{
    uint64_t heads = 0;
    for (size_t i = 0; i < h->heads; i++)
        heads |= (uint64_t)(h->codes[i] == feature) << i;
    return heads;
}
