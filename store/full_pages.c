/* SPDX-License-Identifier: MIT */
#include "store/full_pages.h"

#include <stdlib.h>
#include <string.h>

enum {
    /* A row that is held back waits for a block of others: over three pages of
     * the smallest rows, as the last three are still to be spread. */
    BLOCK = 9 * 1024,
    EVERY = 9,
    HELD_AT = EVERY / 2,
};

int full_pages_init(struct full_pages *d, const struct store_source *rows,
                    size_t row_bytes, struct err *e)
{
    *d = (struct full_pages){.rows = rows, .row_bytes = row_bytes};
    d->out = malloc(BLOCK * row_bytes);
    d->before = malloc(BLOCK / EVERY * row_bytes);
    d->held = malloc(BLOCK / EVERY * row_bytes);
    if (d->out == NULL || d->before == NULL || d->held == NULL)
        return err_memory(e, "rows of the database", 2 * BLOCK * row_bytes);
    return 0;
}

void full_pages_free(struct full_pages *d)
{
    free(d->out);
    free(d->before);
    free(d->held);
    *d = (struct full_pages){0};
}

static int have_batch(struct full_pages *d, struct err *e)
{
    if (d->n_batch > 0 || d->ended)
        return 0;
    const void *rows = NULL;
    TRY(d->rows->next(d->rows->ctx, &rows, &d->n_batch, e));
    d->batch = rows;
    d->ended = d->n_batch == 0;
    return 0;
}

/* Moves up to n rows of the batch; returns how many. */
static size_t move(struct full_pages *d, char *to, size_t n)
{
    n = n < d->n_batch ? n : d->n_batch;
    memcpy(to, d->batch, n * d->row_bytes);
    d->batch += n * d->row_bytes;
    d->n_batch -= n;
    return n;
}

int full_pages_next(void *ctx, const void **rows, size_t *n, struct err *e)
{
    struct full_pages *d = ctx;
    size_t n_out = 0, n_held = 0;
    for (size_t i = 0; i < BLOCK;) {
        TRY(have_batch(d, e));
        if (d->ended)
            break;
        size_t at = i % EVERY;
        if (at == HELD_AT) {
            i += move(d, d->held + n_held++ * d->row_bytes, 1);
            continue;
        }
        size_t moved = move(d, d->out + n_out * d->row_bytes,
                            (at < HELD_AT ? HELD_AT : EVERY) - at);
        n_out += moved;
        i += moved;
    }
    memcpy(d->out + n_out * d->row_bytes, d->before,
           d->n_before * d->row_bytes);
    *rows = d->out;
    *n = n_out + d->n_before;
    char *held = d->before;
    d->before = d->held;
    d->held = held;
    d->n_before = n_held;
    return 0;
}
