/* SPDX-License-Identifier: MIT */
#include "encode/pairs.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "encode/best.h"

int pairs_init(struct pairs *p, size_t m, uint64_t sample_tokens, struct err *e)
{
    *p = (struct pairs){
        .m = m, .step = (sample_tokens + PAIR_TOKENS - 1) / PAIR_TOKENS};
    if (p->step == 0)
        p->step = 1;
    return arena_get(&p->arena, &p->start, PAIR_TOKENS + 1, sizeof *p->start,
                     "pairs of features", e);
}

void pairs_free(struct pairs *p)
{
    free(p->feature);
    best_free(&p->best);
    arena_free(&p->arena);
    *p = (struct pairs){0};
}

/* ---- collecting ---- */

static uint64_t work_of(size_t k)
{
    return (uint64_t)k * k;
}

/* Drops every second token: those left are every 2·step-th. */
static void thin(struct pairs *p)
{
    size_t kept = 0, end = 0;
    p->work = 0;
    for (size_t t = 0; t < p->tokens; t += 2) {
        size_t first = p->start[t], k = p->start[t + 1] - first;
        memmove(p->feature + end, p->feature + first, k * sizeof *p->feature);
        p->start[kept++] = end;
        end += k;
        p->work += work_of(k);
    }
    p->start[kept] = end;
    p->tokens = kept;
    p->step *= 2;
}

static int have_room(struct pairs *p, size_t k, struct err *e)
{
    size_t needed = p->start[p->tokens] + k;
    if (needed <= p->capacity)
        return 0;
    size_t capacity = needed + needed / 2 + 4096;
    uint32_t *feature = realloc(p->feature, capacity * sizeof *feature);
    if (feature == NULL)
        return err_memory(e, "pairs of features", capacity * sizeof *feature);
    p->feature = feature;
    p->capacity = capacity;
    return 0;
}

static int take(struct pairs *p, const uint32_t *feature, size_t k,
                struct err *e)
{
    assert(p->tokens < PAIR_TOKENS);
    TRY(have_room(p, k, e));
    size_t first = p->start[p->tokens];
    memcpy(p->feature + first, feature, k * sizeof *feature);
    p->start[++p->tokens] = first + k;
    p->work += work_of(k);
    while (p->work > PAIR_WORK && p->tokens > 1)
        thin(p);
    return 0;
}

int pairs_add(struct pairs *p, const struct chunk *c, struct err *e)
{
    for (size_t r = 0; r < c->n; r++) {
        size_t first = c->codes.start[r];
        if (!c->sample->in[c->context[r]])
            continue;
        if (p->seen++ % p->step == 0)
            TRY(take(p, c->codes.feature + first, c->codes.start[r + 1] - first,
                     e));
    }
    return 0;
}

/* ---- counting ---- */

/* What features are counted with. */
struct counting {
    struct pairs *p;
    uint32_t *token; /* of all activations, in feature order */
    uint32_t *count; /* (m) with one feature; 0 between features */
    uint32_t *met;   /* (m) those with a count */
    struct arena arena;
};

/* Counting sort of the activations by feature; tokens stay in order. */
static void order_by_feature(struct counting *c)
{
    const struct pairs *p = c->p;
    size_t entries = p->start[p->tokens], *begin = p->begin;
    for (size_t i = 0; i < entries; i++)
        begin[p->feature[i] + 1]++;
    for (size_t f = 0; f < p->m; f++)
        begin[f + 1] += begin[f];
    /* Filling moves each beginning to the next feature's; then back by one. */
    for (size_t t = 0; t < p->tokens; t++)
        for (size_t i = p->start[t]; i < p->start[t + 1]; i++)
            c->token[begin[p->feature[i]]++] = (uint32_t)t;
    memmove(begin + 1, begin, p->m * sizeof *begin);
    begin[0] = 0;
}

static double expected_of(const struct pairs *p, size_t f, size_t g)
{
    double fires_f = (double)(p->begin[f + 1] - p->begin[f]);
    double fires_g = (double)(p->begin[g + 1] - p->begin[g]);
    return fires_f * fires_g / (double)p->tokens;
}

static void offer(struct pairs *p, size_t f, uint32_t other, uint32_t count)
{
    double expected = expected_of(p, f, other);
    double beyond = ((double)count - expected) / sqrt(expected);
    if (count >= PAIR_COUNT && beyond > 0)
        best_offer(&p->best, f,
                   (struct best_entry){.id = other,
                                       .key = other,
                                       .score = (float)beyond,
                                       .tie = (float)count});
}

static void count_feature(struct counting *c, size_t f)
{
    struct pairs *p = c->p;
    size_t met = 0;
    for (size_t i = p->begin[f]; i < p->begin[f + 1]; i++) {
        uint32_t t = c->token[i];
        for (size_t j = p->start[t]; j < p->start[t + 1]; j++) {
            uint32_t other = p->feature[j];
            if (c->count[other]++ == 0)
                c->met[met++] = other;
        }
    }
    for (size_t i = 0; i < met; i++) {
        uint32_t other = c->met[i];
        if (other != f)
            offer(p, f, other, c->count[other]);
        c->count[other] = 0;
    }
}

static int count_all(struct counting *c, struct err *e)
{
    static const char what[] = "pairs of features";
    struct pairs *p = c->p;
    TRY(arena_get(&p->arena, &p->begin, p->m + 1, sizeof *p->begin, what, e));
    TRY(best_init(&p->best, p->m, PAIRS, e));
    TRY(arena_get(&c->arena, &c->token, p->start[p->tokens], sizeof *c->token,
                  what, e));
    TRY(arena_get(&c->arena, &c->count, p->m, sizeof *c->count, what, e));
    TRY(arena_get(&c->arena, &c->met, p->m, sizeof *c->met, what, e));
    order_by_feature(c);
    for (size_t f = 0; f < p->m; f++)
        count_feature(c, f);
    return 0;
}

int pairs_find(struct pairs *p, struct err *e)
{
    struct counting c = {.p = p};
    int code = count_all(&c, e);
    arena_free(&c.arena);
    return code;
}

int pairs_write(const struct pairs *p, struct store_writer *w, struct err *e)
{
    for (size_t f = 0; f < p->m; f++) {
        size_t n;
        const struct best_entry *list = best_list(&p->best, f, &n);
        for (size_t i = 0; i < n; i++) {
            const struct store_feature_pair row = {
                .feature = (int64_t)f,
                .rank = (int)i + 1,
                .other = list[i].id,
                .count = (int64_t)list[i].tie,
                .expected = expected_of(p, f, list[i].id)};
            TRY(store_writer_feature_pair(w, &row, e));
        }
    }
    return 0;
}
