/* SPDX-License-Identifier: MIT */
#include "encode/token_features.h"

#include <stdlib.h>

#include "encode/tables.h"
#include "encode/token_choice.h"

enum { BATCH = 1024 };

static int choose(void *ctx, struct background *b, struct err *e)
{
    (void)b;
    struct token_features *f = ctx;
    const struct scan *s = f->scan;
    struct arena scratch = {0};
    uint64_t *occurrences = NULL;
    struct token_choice choice = {.m = s->statistics.m,
                                  .limit = STORE_TOKEN_FEATURES};
    int code = tables_count_strings(&scratch, &occurrences, &choice.n_vocab,
                                    s->in.dump, e);
    choice.occurrences = occurrences;
    if (code == 0)
        code = token_choice_make(&f->pairs, &f->n, &s->strings, &choice, e);
    arena_free(&scratch);
    return code;
}

void token_features_begin(struct token_features *f, const struct scan *s)
{
    *f = (struct token_features){.scan = s};
    background_begin(&f->background, choose, f, s->in.team->threads == 1);
}

struct batch {
    const struct token_count *pairs;
    size_t n; /* left */
    struct store_token_feature rows[BATCH];
};

static int next_batch(void *ctx, const void **rows, size_t *n, struct err *e)
{
    (void)e;
    struct batch *b = ctx;
    *n = b->n < BATCH ? b->n : BATCH;
    for (size_t i = 0; i < *n; i++, b->pairs++)
        b->rows[i] = (struct store_token_feature){
            .vocab = b->pairs->vocab,
            .feature = b->pairs->feature,
            .count = b->pairs->count,
            .max = (double)b->pairs->max,
            .mean = b->pairs->sum / (double)b->pairs->count};
    b->n -= *n;
    *rows = b->rows;
    return 0;
}

int token_features_write(struct token_features *f, struct store_writer *w,
                         struct err *e)
{
    TRY(background_wait(&f->background, NULL, NULL, 0, e));
    struct batch b = {.pairs = f->pairs, .n = f->n};
    struct store_source source = {next_batch, &b};
    return store_writer_token_features(w, &source, e);
}

void token_features_end(struct token_features *f)
{
    background_end(&f->background);
    free(f->pairs);
    *f = (struct token_features){0};
}
