/* SPDX-License-Identifier: MIT */
#include "encode/tables.h"

#include <stdlib.h>
#include <string.h>

#include "encode/levels.h"

/* What a feature's examples are written with. */
struct example_writer {
    struct store_writer *writer;
    const struct scan *scan;
    const struct example_sets *sets;
    struct best_entry *sorted; /* room for the longest list */
    size_t feature;
    struct arena arena;
};

static int strongest_first(const void *left, const void *right)
{
    const struct best_entry *a = left, *b = right;
    if (a->tie != b->tie)
        return a->tie > b->tie ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

/* A set of n examples, whose ties are their activations. */
static int write_list(const struct example_writer *x,
                      const struct best_entry *list,
                      struct store_example_set *set, struct err *e)
{
    set->feature = (int64_t)x->feature;
    TRY(store_writer_example_set(x->writer, set, e));
    for (int64_t i = 0; i < set->examples; i++) {
        struct store_example row = {.feature = set->feature,
                                    .kind = set->kind,
                                    .interval = set->interval,
                                    .rank = (int)i + 1,
                                    .token = list[i].id,
                                    .value = (double)list[i].tie};
        TRY(store_writer_example(x->writer, &row, e));
    }
    return 0;
}

/* A random set, with what is known of it but its size. */
static int write_drawn(const struct example_writer *x, int slot,
                       struct store_example_set *set, struct err *e)
{
    size_t n, at = x->feature * EXAMPLE_SLOTS + (size_t)slot;
    const struct best_entry *list = best_list(&x->sets->drawn, at, &n);
    set->tokens = x->sets->features[x->feature].tokens[slot];
    set->examples = (int64_t)n;
    if (set->tokens == 0)
        return 0;
    if (n > 0)
        memcpy(x->sorted, list, n * sizeof *list);
    qsort(x->sorted, n, sizeof *x->sorted, strongest_first);
    return write_list(x, x->sorted, set, e);
}

static int write_intervals(const struct example_writer *x, int first_slot,
                           const double *edges, enum store_example_kind kind,
                           struct err *e)
{
    for (int i = 0; i < EXAMPLE_INTERVALS; i++) {
        struct store_example_set set = {.kind = kind,
                                        .interval = i + 1,
                                        .above = edges[i],
                                        .up_to = edges[i + 1]};
        TRY(write_drawn(x, first_slot + i, &set, e));
    }
    return 0;
}

/* In the order of the key: by kind, alphabetically. */
static int write_feature(const struct example_writer *x, struct err *e)
{
    const struct statistics *st = &x->scan->statistics;
    const struct example_feature *edges = &x->sets->features[x->feature];
    double max = (double)st->max[x->feature];
    struct store_example_set random = {
        .kind = STORE_EXAMPLE_RANDOM, .interval = 1, .up_to = max};
    struct store_example_set silent = {.kind = STORE_EXAMPLE_SILENT,
                                       .interval = 1};
    struct store_example_set top = {.kind = STORE_EXAMPLE_TOP,
                                    .interval = 1,
                                    .up_to = max,
                                    .tokens = (int64_t)st->fires[x->feature]};
    size_t n;
    const struct best_entry *list =
        best_list(&x->scan->top.best, x->feature, &n);
    top.examples = (int64_t)n;
    TRY(write_intervals(x, EXAMPLE_COUNT, edges->count, STORE_EXAMPLE_COUNT,
                        e));
    TRY(write_drawn(x, EXAMPLE_RANDOM, &random, e));
    TRY(write_drawn(x, EXAMPLE_SILENT, &silent, e));
    TRY(write_list(x, list, &top, e));
    return write_intervals(x, EXAMPLE_WIDTH, edges->width, STORE_EXAMPLE_WIDTH,
                           e);
}

static int write_features(struct example_writer *x, struct err *e)
{
    const struct scan *s = x->scan;
    TRY(arena_get(&x->arena, &x->sorted, x->sets->drawn.limit,
                  sizeof *x->sorted, "examples", e));
    for (x->feature = 0; x->feature < s->statistics.m; x->feature++)
        if (s->statistics.fires[x->feature] > 0)
            TRY(write_feature(x, e));
    return 0;
}

/* ---- examples of heads ---- */

/* The rows of one slot after the other. */
struct head_examples {
    const struct scan *scan;
    const double *scale; /* (m) */
    size_t slot, slots;
    struct store_head_example *rows; /* of a slot */
};

static int next_head_examples(void *ctx, const void **rows, size_t *n,
                              struct err *e)
{
    (void)e;
    struct head_examples *x = ctx;
    const struct scan *s = x->scan;
    size_t heads = (size_t)s->heads;
    const struct best_entry *list = NULL;
    for (*n = 0; *n == 0 && x->slot < x->slots; x->slot++)
        list = best_list(&s->by_head.best, x->slot, n);
    size_t slot = x->slot - 1, f = slot / heads;
    for (size_t i = 0; i < *n; i++)
        x->rows[i] = (struct store_head_example){
            .feature = (int64_t)f,
            .head = (int)(slot % heads),
            .rank = (int)i + 1,
            .token = list[i].id,
            .contribution = (double)list[i].score,
            .level = levels_of(list[i].tie, x->scale[f])};
    *rows = x->rows;
    return 0;
}

static int write_head_examples(struct example_writer *x, const double *scale,
                               struct err *e)
{
    const struct scan *s = x->scan;
    struct head_examples heads = {
        .scan = s, .scale = scale, .slots = s->statistics.m * (size_t)s->heads};
    struct store_source source = {next_head_examples, &heads};
    TRY(arena_get(&x->arena, &heads.rows, s->by_head.best.limit,
                  sizeof *heads.rows, "examples", e));
    return store_writer_head_examples(x->writer, &source, e);
}

int tables_write_examples(struct store_writer *w, const struct scan *s,
                          const struct example_sets *sets, const double *scale,
                          struct err *e)
{
    struct example_writer x = {.writer = w, .scan = s, .sets = sets};
    int code = write_features(&x, e);
    if (code == 0)
        code = write_head_examples(&x, scale, e);
    arena_free(&x.arena);
    return code;
}
