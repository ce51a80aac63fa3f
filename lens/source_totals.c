/* SPDX-License-Identifier: MIT */
#include "lens/source_totals.h"

#include <string.h>

#include "encode/best.h"
#include "encode/statistics.h"

enum {
    STRINGS = 16, /* kept of a feature */
    PARTS = 64,   /* ranges of features that strings are counted in */
    BATCH = 1024, /* rows handed over at once */
};

int source_totals_init(struct source_totals *t,
                       const struct source_request *request, size_t longest,
                       struct err *e)
{
    static const char what[] = "sums by source";
    size_t m = request->sae->m;
    *t = (struct source_totals){
        .request = request,
        .m = m,
        .bins = (size_t)statistics_position_bin((uint32_t)longest - 1) + 1};
    int code =
        arena_get(&t->arena, &t->sum, m * t->bins, sizeof *t->sum, what, e);
    if (code == 0)
        code = arena_get(&t->arena, &t->count, m * t->bins, sizeof *t->count,
                         what, e);
    if (code == 0)
        code = token_counts_init(&t->strings, PARTS, request->memory,
                                 request->output, e);
    if (code != 0)
        source_totals_free(t);
    return code;
}

void source_totals_free(struct source_totals *t)
{
    source_found_free(&t->examples);
    token_counts_free(&t->strings);
    arena_free(&t->arena);
    *t = (struct source_totals){0};
}

/* ---- adding ---- */

int source_totals_add(struct source_totals *t, const struct source_found *found,
                      struct err *e)
{
    if (found->code != 0)
        return err_set(e, found->code, "%s", found->e.msg);
    for (size_t i = 0; i < found->n_rows; i++)
        source_found_row(&t->examples, found->rows[i]);
    if (t->examples.code != 0)
        return err_set(e, t->examples.code, "%s", t->examples.e.msg);
    for (size_t i = 0; i < found->n_bins; i++) {
        const struct source_bin *b = &found->bins[i];
        t->sum[b->feature * t->bins + b->bin] += b->sum;
        t->count[b->feature * t->bins + b->bin] += b->count;
    }
    for (size_t i = 0; i < found->n_strings; i++) {
        const struct source_string *s = &found->strings[i];
        token_counts_add(&t->strings, s->feature * (size_t)PARTS / t->m,
                         s->feature, s->vocab, s->sum);
    }
    return token_counts_check(&t->strings, e);
}

/* ---- examples ---- */

struct batch {
    const struct source_totals *t;
    const uint32_t *order; /* [n] of the rows */
    size_t next;
    struct store_example_source rows[BATCH];
};

static int next_batch(void *ctx, const void **rows, size_t *n, struct err *e)
{
    (void)e;
    struct batch *b = ctx;
    const struct source_found *all = &b->t->examples;
    for (*n = 0; *n < BATCH && b->next < all->n_rows; (*n)++) {
        const struct source_row *row = &all->rows[b->order[b->next++]];
        const struct source_place *place =
            &b->t->request->places->places[row->place];
        b->rows[*n] = (struct store_example_source){
            .feature = place->feature,
            .token = place->token,
            .head = row->head,
            .rank = row->rank,
            .source = row->source,
            .contribution = (double)row->contribution};
    }
    *rows = b->rows;
    return 0;
}

/* Counting sort by place; the rows of one are in order already. */
static int order_by_place(uint32_t **out, const struct source_totals *t,
                          struct arena *arena, struct err *e)
{
    static const char what[] = "the order of sources";
    size_t n = t->examples.n_rows, places = t->request->places->n, *begin;
    const struct source_row *rows = t->examples.rows;
    TRY(arena_get(arena, out, n, sizeof **out, what, e));
    TRY(arena_get(arena, &begin, places + 1, sizeof *begin, what, e));
    for (size_t i = 0; i < n; i++)
        begin[rows[i].place + 1]++;
    for (size_t p = 0; p < places; p++)
        begin[p + 1] += begin[p];
    for (size_t i = 0; i < n; i++)
        (*out)[begin[rows[i].place]++] = (uint32_t)i;
    return 0;
}

static int write_examples(const struct source_totals *t, struct store_writer *w,
                          struct err *e)
{
    struct arena scratch = {0};
    struct batch b = {.t = t};
    uint32_t *order = NULL;
    int code = order_by_place(&order, t, &scratch, e);
    if (code == 0) {
        struct store_source source = {next_batch, &b};
        b.order = order;
        code = store_writer_example_sources(w, &source, e);
    }
    arena_free(&scratch);
    return code;
}

/* ---- distances and strings ---- */

static double total_of(const struct source_totals *t, size_t feature)
{
    double total = 0;
    for (size_t b = 0; b < t->bins; b++)
        total += t->sum[feature * t->bins + b];
    return total;
}

static int write_offsets(const struct source_totals *t, struct store_writer *w,
                         struct err *e)
{
    for (size_t f = 0; f < t->m; f++) {
        double total = total_of(t, f);
        for (size_t b = 0; b < t->bins; b++) {
            const struct store_source_offset row = {
                .feature = (int64_t)f,
                .bin = (int)b,
                .share = t->sum[f * t->bins + b] / total,
                .count = t->count[f * t->bins + b]};
            if (t->sum[f * t->bins + b] > 0)
                TRY(store_writer_feature_source_offset(w, &row, e));
        }
    }
    return 0;
}

static int write_strings_of(const struct source_totals *t, struct best *best,
                            size_t feature, struct store_writer *w,
                            struct err *e)
{
    size_t n;
    const struct best_entry *list = best_list(best, 0, &n);
    double total = total_of(t, feature);
    for (size_t i = 0; i < n; i++) {
        const struct store_source_token row = {.feature = (int64_t)feature,
                                               .rank = (int)i + 1,
                                               .vocab = list[i].id,
                                               .share = (double)list[i].score /
                                                        total,
                                               .count = (int64_t)list[i].tie};
        TRY(store_writer_feature_source_token(w, &row, e));
    }
    best_empty(best, 0);
    return 0;
}

/* Pairs come feature by feature; `best` has one slot. */
static int walk_strings(struct source_totals *t, struct best *best,
                        struct store_writer *w, struct err *e)
{
    struct token_counts_walk walk;
    struct token_count pair = {0};
    size_t feature = 0;
    int code = 0;
    token_counts_walk_begin(&walk, &t->strings, e);
    while (code == 0 && token_counts_walk_next(&walk, &pair)) {
        if (pair.feature != feature)
            code = write_strings_of(t, best, feature, w, e);
        feature = pair.feature;
        best_offer(best, 0,
                   (struct best_entry){.id = pair.vocab,
                                       .key = pair.vocab,
                                       .score = (float)pair.sum,
                                       .tie = (float)pair.count});
    }
    int ended = token_counts_walk_end(&walk);
    if (code == 0)
        code = ended;
    return code == 0 ? write_strings_of(t, best, feature, w, e) : code;
}

static int write_strings(struct source_totals *t, struct store_writer *w,
                         struct err *e)
{
    struct best best;
    token_counts_finish(&t->strings, t->request->team);
    TRY(token_counts_check(&t->strings, e));
    TRY(best_init(&best, 1, STRINGS, e));
    int code = walk_strings(t, &best, w, e);
    best_free(&best);
    return code;
}

int source_totals_write(struct source_totals *t, struct store_writer *w,
                        struct err *e)
{
    TRY(write_examples(t, w, e));
    TRY(write_offsets(t, w, e));
    return write_strings(t, w, e);
}
