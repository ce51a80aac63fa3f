/* SPDX-License-Identifier: MIT */
#include "encode/head_codes.h"

#include <assert.h>
#include <string.h>

int head_codes_init(struct head_codes *h, int heads, size_t tokens_max,
                    struct err *e)
{
    *h = (struct head_codes){.heads = heads, .tokens_max = tokens_max};
    int code = arena_get(&h->arena, &h->token, tokens_max, sizeof *h->token,
                         "head codes", e);
    if (code == 0)
        code = arena_get(&h->arena, &h->feature, tokens_max * (size_t)heads,
                         sizeof *h->feature, "head codes", e);
    if (code != 0)
        head_codes_free(h);
    return code;
}

void head_codes_free(struct head_codes *h)
{
    arena_free(&h->arena);
    *h = (struct head_codes){0};
}

void head_codes_add(struct head_codes *h, const struct chunk *c)
{
    for (size_t r = 0; r < c->n; r++) {
        if (!c->sample->in[c->context[r]])
            continue;
        assert(h->n < h->tokens_max);
        h->token[h->n] = (uint32_t)(c->first + r);
        for (size_t i = 0; i < (size_t)h->heads; i++)
            h->feature[i * h->tokens_max + h->n] =
                c->head_code[r * (size_t)h->heads + i];
        h->n++;
    }
}

/* Counting sort of one head's codes by feature. `start` has m + 1 places;
 * returns the number of rows. */
static size_t order_head(const struct head_codes *h, int head, size_t m,
                         size_t *start, struct store_head_code *rows)
{
    const uint32_t *feature = h->feature + (size_t)head * h->tokens_max;
    memset(start, 0, (m + 1) * sizeof *start);
    for (size_t i = 0; i < h->n; i++)
        if (feature[i] != CHUNK_NO_CODE)
            start[feature[i] + 1]++;
    for (size_t f = 0; f < m; f++)
        start[f + 1] += start[f];
    size_t total = start[m];
    for (size_t i = 0; i < h->n; i++)
        if (feature[i] != CHUNK_NO_CODE)
            rows[start[feature[i]]++] =
                (struct store_head_code){head, feature[i], h->token[i]};
    return total;
}

int head_codes_write(const struct head_codes *h, size_t m,
                     struct store_writer *w, struct err *e)
{
    struct arena scratch = {0};
    size_t *start;
    struct store_head_code *rows;
    int code =
        arena_get(&scratch, &start, m + 1, sizeof *start, "head codes", e);
    if (code == 0)
        code = arena_get(&scratch, &rows, h->n, sizeof *rows, "head codes", e);
    for (int head = 0; code == 0 && head < h->heads; head++) {
        size_t n = order_head(h, head, m, start, rows);
        code = store_writer_head_codes(w, rows, n, e);
    }
    arena_free(&scratch);
    return code;
}
