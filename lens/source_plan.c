/* SPDX-License-Identifier: MIT */
#include "lens/source_plan.h"

#include <stdlib.h>
#include <string.h>

/* ---- places by context ---- */

static size_t context_of(const struct source_plan *p, size_t contexts,
                         int64_t row)
{
    size_t from = 0, to = contexts;
    while (to - from > 1) {
        size_t middle = from + (to - from) / 2;
        if (p->starts[middle] <= row)
            from = middle;
        else
            to = middle;
    }
    return from;
}

/* Counting sort: begin [contexts + 1] says where a context's places begin. They
 * stay in the order of their features. */
static void sort_places(struct source_plan *p, size_t *begin, size_t contexts)
{
    const struct source_places *places = p->request->places;
    for (size_t i = 0; i < places->n; i++)
        begin[context_of(p, contexts, places->places[i].token) + 1]++;
    for (size_t c = 0; c < contexts; c++)
        begin[c + 1] += begin[c];
    /* Filling moves each beginning to the next context's; then back by one. */
    for (size_t i = 0; i < places->n; i++)
        p->place[begin[context_of(p, contexts, places->places[i].token)]++] =
            (uint32_t)i;
    memmove(begin + 1, begin, contexts * sizeof *begin);
    begin[0] = 0;
}

/* ---- contexts ---- */

static void at_least(size_t *most, size_t value)
{
    if (value > *most)
        *most = value;
}

static size_t length_of(const struct source_plan *p, size_t context)
{
    return (size_t)(p->starts[context + 1] - p->starts[context]);
}

static size_t codes_of(const struct source_sample *s, size_t i)
{
    return s->start[s->first[i + 1]] - s->start[s->first[i]];
}

static void choose_contexts(struct source_plan *p, const size_t *begin,
                            size_t contexts)
{
    const struct source_sample *s = p->request->sample;
    size_t next = 0;
    for (size_t c = 0; c < contexts; c++) {
        bool sampled = next < s->contexts && s->context[next] == c;
        if (!sampled && begin[c + 1] == begin[c])
            continue;
        p->contexts[p->n++] =
            (struct source_context){c, begin[c], sampled ? next : SIZE_MAX};
        at_least(&p->points, begin[c + 1] - begin[c]);
        if (sampled)
            at_least(&p->points, codes_of(s, next++));
        at_least(&p->longest, length_of(p, c));
        p->tokens += length_of(p, c);
    }
    p->contexts[p->n].places = begin[contexts];
}

static void pack(struct source_plan *p)
{
    size_t rows = 0;
    for (size_t i = 0; i < p->n; i++) {
        size_t length = length_of(p, p->contexts[i].context);
        if (i == 0 || rows + length > SOURCE_GROUP) {
            p->group[p->groups++] = i;
            rows = 0;
        }
        rows += length;
        at_least(&p->group_rows, rows);
        at_least(&p->group_contexts, i + 1 - p->group[p->groups - 1]);
    }
    p->group[p->groups] = p->n;
}

static int make(struct source_plan *p, struct arena *scratch, struct err *e)
{
    static const char what[] = "contexts to be read";
    const struct source_request *r = p->request;
    size_t contexts = (size_t)dump_info(r->dump)->contexts, *begin;
    struct arena *a = &p->arena;
    TRY(arena_get(scratch, &begin, contexts + 1, sizeof *begin, what, e));
    TRY(arena_get(a, &p->place, r->places->n, sizeof *p->place, what, e));
    TRY(arena_get(a, &p->contexts, contexts + 1, sizeof *p->contexts, what, e));
    TRY(arena_get(a, &p->group, contexts + 1, sizeof *p->group, what, e));
    sort_places(p, begin, contexts);
    choose_contexts(p, begin, contexts);
    pack(p);
    return 0;
}

int source_plan_make(struct source_plan *p,
                     const struct source_request *request, struct err *e)
{
    struct arena scratch = {0};
    *p = (struct source_plan){.request = request,
                              .starts = dump_contexts(request->dump)};
    int code = make(p, &scratch, e);
    arena_free(&scratch);
    if (code != 0)
        source_plan_free(p);
    return code;
}

void source_plan_free(struct source_plan *p)
{
    arena_free(&p->arena);
    *p = (struct source_plan){0};
}

/* ---- points ---- */

size_t source_plan_examples(const struct source_plan *p,
                            struct source_point *out, size_t i)
{
    const struct source_context *c = &p->contexts[i];
    size_t n = c[1].places - c->places;
    for (size_t j = 0; j < n; j++) {
        uint32_t id = p->place[c->places + j];
        const struct source_place *place = &p->request->places->places[id];
        out[j] = (struct source_point){
            place->feature, (uint32_t)(place->token - p->starts[c->context]),
            id};
    }
    return n;
}

static int by_feature(const void *left, const void *right)
{
    const struct source_point *a = left, *b = right;
    if (a->feature != b->feature)
        return a->feature < b->feature ? -1 : 1;
    return (a->destination > b->destination) -
           (a->destination < b->destination);
}

size_t source_plan_sample(const struct source_plan *p, struct source_point *out,
                          size_t i)
{
    const struct source_sample *s = p->request->sample;
    size_t at = p->contexts[i].sample, n = 0;
    if (at == SIZE_MAX)
        return 0;
    for (size_t t = s->first[at]; t < s->first[at + 1]; t++)
        for (size_t j = s->start[t]; j < s->start[t + 1]; j++)
            out[n++] = (struct source_point){s->feature[j],
                                             (uint32_t)(t - s->first[at]), 0};
    qsort(out, n, sizeof *out, by_feature);
    return n;
}
