/* SPDX-License-Identifier: MIT */
#include "encode/source_places.h"

#include <stdlib.h>

/* The most places that a scan can have. */
static size_t count_all(const struct scan *s, const struct example_sets *sets)
{
    size_t total = 0, n, m = s->statistics.m;
    for (size_t f = 0; f < m; f++) {
        (void)best_list(&s->top.best, f, &n);
        total += n;
        for (size_t slot = 0; slot < EXAMPLE_SLOTS; slot++) {
            (void)best_list(&sets->drawn, f * EXAMPLE_SLOTS + slot, &n);
            total += slot != EXAMPLE_SILENT ? n : 0;
        }
    }
    for (size_t slot = 0; slot < m * (size_t)s->heads; slot++) {
        (void)best_list(&s->by_head.best, slot, &n);
        total += n;
    }
    return total;
}

/* Appends the tokens of a slot. */
static void add(struct source_places *p, size_t feature, const struct best *b,
                size_t slot, int head)
{
    size_t n;
    const struct best_entry *list = best_list(b, slot, &n);
    for (size_t i = 0; i < n; i++)
        p->places[p->n++] =
            (struct source_place){.feature = (uint32_t)feature,
                                  .token = list[i].id,
                                  .heads = head >= 0 ? UINT64_C(1) << head : 0,
                                  .example = head < 0};
}

static int by_token(const void *left, const void *right)
{
    const struct source_place *a = left, *b = right;
    return (a->token > b->token) - (a->token < b->token);
}

/* Makes one of places with the same token, from `first` on. */
static void merge(struct source_places *p, size_t first)
{
    size_t kept = first;
    qsort(p->places + first, p->n - first, sizeof *p->places, by_token);
    for (size_t i = first; i < p->n; i++) {
        struct source_place *from = &p->places[i], *to = &p->places[kept - 1];
        if (kept > first && to->token == from->token) {
            to->heads |= from->heads;
            to->example |= from->example;
        } else {
            p->places[kept++] = *from;
        }
    }
    p->n = kept;
}

int source_places_make(struct source_places *p, const struct scan *s,
                       const struct example_sets *sets, struct err *e)
{
    *p = (struct source_places){0};
    TRY(arena_get(&p->arena, &p->places, count_all(s, sets), sizeof *p->places,
                  "places of examples", e));
    for (size_t f = 0; f < s->statistics.m; f++) {
        size_t first = p->n;
        add(p, f, &s->top.best, f, -1);
        for (size_t slot = 0; slot < EXAMPLE_SLOTS; slot++)
            if (slot != EXAMPLE_SILENT)
                add(p, f, &sets->drawn, f * EXAMPLE_SLOTS + slot, -1);
        for (int h = 0; h < s->heads; h++)
            add(p, f, &s->by_head.best, f * (size_t)s->heads + (size_t)h, h);
        merge(p, first);
    }
    return 0;
}

void source_places_free(struct source_places *p)
{
    arena_free(&p->arena);
    *p = (struct source_places){0};
}
