/* SPDX-License-Identifier: MIT */
#include "encode/pairs.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "encode/best.h"

enum { BLOCK = 64 }; /* features of one item of work */

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

/* What one thread counts a feature's company in. */
struct company {
    uint32_t *count; /* (m), 0 between features */
    uint32_t *met;   /* (m) those with a count */
};

struct counting {
    const struct pairs *p;
    size_t *start;           /* (m + 1) where a feature's tokens begin */
    uint32_t *token;         /* in feature order */
    struct company *company; /* [threads] */
    struct best best;        /* (m) tie: the count */
    struct arena arena;
};

/* Counting sort of the activations by feature; tokens stay in order. */
static void order_by_feature(struct counting *c)
{
    const struct pairs *p = c->p;
    size_t entries = p->start[p->tokens];
    for (size_t i = 0; i < entries; i++)
        c->start[p->feature[i] + 1]++;
    for (size_t f = 0; f < p->m; f++)
        c->start[f + 1] += c->start[f];
    /* Filling moves each start to the next feature's; then back by one. */
    for (size_t t = 0; t < p->tokens; t++)
        for (size_t i = p->start[t]; i < p->start[t + 1]; i++)
            c->token[c->start[p->feature[i]]++] = (uint32_t)t;
    memmove(c->start + 1, c->start, p->m * sizeof *c->start);
    c->start[0] = 0;
}

static double expected_of(const struct counting *c, size_t f, size_t g)
{
    double fires_f = (double)(c->start[f + 1] - c->start[f]);
    double fires_g = (double)(c->start[g + 1] - c->start[g]);
    return fires_f * fires_g / (double)c->p->tokens;
}

static void offer(struct counting *c, size_t f, uint32_t other, uint32_t count)
{
    double expected = expected_of(c, f, other);
    double beyond = ((double)count - expected) / sqrt(expected);
    if (count >= PAIR_COUNT && beyond > 0)
        best_offer(&c->best, f,
                   (struct best_entry){.id = other,
                                       .key = other,
                                       .score = (float)beyond,
                                       .tie = (float)count});
}

static void count_feature(struct counting *c, size_t f,
                          const struct company *company)
{
    const struct pairs *p = c->p;
    size_t met = 0;
    for (size_t i = c->start[f]; i < c->start[f + 1]; i++) {
        uint32_t t = c->token[i];
        for (size_t j = p->start[t]; j < p->start[t + 1]; j++) {
            uint32_t other = p->feature[j];
            if (company->count[other]++ == 0)
                company->met[met++] = other;
        }
    }
    for (size_t i = 0; i < met; i++) {
        uint32_t other = company->met[i];
        if (other != f)
            offer(c, f, other, company->count[other]);
        company->count[other] = 0;
    }
}

static void count_block(void *ctx, size_t block, int thread)
{
    struct counting *c = ctx;
    size_t end = (block + 1) * BLOCK;
    for (size_t f = block * BLOCK; f < end && f < c->p->m; f++)
        count_feature(c, f, &c->company[thread]);
}

static int counting_init(struct counting *c, const struct team *team,
                         struct err *e)
{
    static const char what[] = "pairs of features";
    const struct pairs *p = c->p;
    struct arena *a = &c->arena;
    size_t threads = (size_t)team->threads;
    TRY(arena_get(a, &c->start, p->m + 1, sizeof *c->start, what, e));
    TRY(arena_get(a, &c->token, p->start[p->tokens], sizeof *c->token, what,
                  e));
    TRY(arena_get(a, &c->company, threads, sizeof *c->company, what, e));
    for (size_t t = 0; t < threads; t++) {
        struct company *company = &c->company[t];
        TRY(arena_get(a, &company->count, p->m, sizeof(uint32_t), what, e));
        TRY(arena_get(a, &company->met, p->m, sizeof(uint32_t), what, e));
    }
    return best_init(&c->best, p->m, PAIRS, e);
}

static int write_rows(const struct counting *c, struct store_writer *w,
                      struct err *e)
{
    for (size_t f = 0; f < c->p->m; f++) {
        size_t n;
        const struct best_entry *list = best_list(&c->best, f, &n);
        for (size_t i = 0; i < n; i++) {
            const struct store_feature_pair row = {
                .feature = (int64_t)f,
                .rank = (int)i + 1,
                .other = list[i].id,
                .count = (int64_t)list[i].tie,
                .expected = expected_of(c, f, list[i].id)};
            TRY(store_writer_feature_pair(w, &row, e));
        }
    }
    return 0;
}

int pairs_write(const struct pairs *p, const struct team *team,
                struct store_writer *w, struct err *e)
{
    struct counting c = {.p = p};
    int code = counting_init(&c, team, e);
    if (code == 0) {
        order_by_feature(&c);
        team_run(team, count_block, &c, (p->m + BLOCK - 1) / BLOCK);
        code = write_rows(&c, w, e);
    }
    best_free(&c.best);
    arena_free(&c.arena);
    return code;
}
