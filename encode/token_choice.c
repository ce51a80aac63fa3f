/* SPDX-License-Identifier: MIT */
#include "encode/token_choice.h"

#include <stdlib.h>

#include "encode/best.h"

enum order { BY_COUNT, BY_MAX, BY_MEAN, ORDERS };

/* The lists of one order, and the last entry of each when they are complete:
 * what ranks behind it is not kept. */
struct ranking {
    struct best of_feature; /* one slot: features come one after the other */
    struct best of_vocab;   /* (n_vocab) */
    struct best_entry *last_of_feature; /* (m) */
    struct best_entry *last_of_vocab;   /* (n_vocab) */
};

struct choosing {
    const struct token_counts *t;
    const struct token_choice *choice;
    struct ranking rankings[ORDERS];
    struct arena arena;
};

static int init(struct choosing *c, struct err *e)
{
    const struct token_choice *x = c->choice;
    for (int o = 0; o < ORDERS; o++) {
        struct ranking *r = &c->rankings[o];
        TRY(best_init(&r->of_feature, 1, x->limit, e));
        TRY(best_init(&r->of_vocab, x->n_vocab, x->limit, e));
        TRY(arena_get(&c->arena, &r->last_of_feature, x->m,
                      sizeof *r->last_of_feature, "token counts", e));
        TRY(arena_get(&c->arena, &r->last_of_vocab, x->n_vocab,
                      sizeof *r->last_of_vocab, "token counts", e));
    }
    return 0;
}

static void choosing_free(struct choosing *c)
{
    for (int o = 0; o < ORDERS; o++) {
        best_free(&c->rankings[o].of_feature);
        best_free(&c->rankings[o].of_vocab);
    }
    arena_free(&c->arena);
}

static struct best_entry entry_of(const struct choosing *c,
                                  const struct token_count *p, uint32_t id,
                                  enum order order)
{
    float count = (float)p->count;
    struct best_entry entry = {.id = id, .key = id}; /* keys all differ */
    entry.score = order == BY_COUNT ? count : p->max;
    entry.tie = order == BY_COUNT ? p->max : count;
    if (order == BY_MEAN)
        entry.score =
            (float)(p->sum / (double)c->choice->occurrences[p->vocab]);
    return entry;
}

/* A list that is not full keeps all. */
static struct best_entry last_of(const struct best *b, size_t slot)
{
    size_t n;
    const struct best_entry *list = best_list(b, slot, &n);
    return n == b->limit ? list[n - 1]
                         : (struct best_entry){.id = UINT32_MAX, .score = -1};
}

static void end_feature(struct choosing *c, uint32_t feature)
{
    for (int o = 0; o < ORDERS; o++) {
        struct ranking *r = &c->rankings[o];
        r->last_of_feature[feature] = last_of(&r->of_feature, 0);
        best_empty(&r->of_feature, 0);
    }
}

/* Pairs are numbered as they come. */
static int rank_all(struct choosing *c, struct err *e)
{
    struct token_counts_walk walk;
    struct token_count pair;
    uint32_t id = 0, feature = 0;
    token_counts_walk_begin(&walk, c->t, e);
    for (; token_counts_walk_next(&walk, &pair) && id < UINT32_MAX; id++) {
        if (pair.feature != feature)
            end_feature(c, feature);
        feature = pair.feature;
        for (int o = 0; o < ORDERS; o++) {
            struct best_entry entry = entry_of(c, &pair, id, (enum order)o);
            best_offer(&c->rankings[o].of_feature, 0, entry);
            best_offer(&c->rankings[o].of_vocab, pair.vocab, entry);
        }
    }
    end_feature(c, feature);
    TRY(token_counts_walk_end(&walk));
    if (id == UINT32_MAX)
        return err_set(e, ERR_SYSTEM,
                       "more than 4 billion pairs of feature "
                       "and token string");
    for (int o = 0; o < ORDERS; o++) {
        struct ranking *r = &c->rankings[o];
        for (size_t v = 0; v < c->choice->n_vocab; v++)
            r->last_of_vocab[v] = last_of(&r->of_vocab, v);
    }
    return 0;
}

static bool is_kept(const struct choosing *c, const struct token_count *pair,
                    uint32_t id)
{
    for (int o = 0; o < ORDERS; o++) {
        const struct ranking *r = &c->rankings[o];
        struct best_entry entry = entry_of(c, pair, id, (enum order)o);
        if (!best_before(&r->last_of_feature[pair->feature], &entry) ||
            !best_before(&r->last_of_vocab[pair->vocab], &entry))
            return true;
    }
    return false;
}

struct kept {
    struct token_count *pairs;
    size_t n, capacity;
};

static int keep(struct kept *k, const struct token_count *pair, struct err *e)
{
    if (k->n == k->capacity) {
        size_t capacity = k->capacity + k->capacity / 2 + 1024;
        struct token_count *pairs = realloc(k->pairs, capacity * sizeof *pairs);
        if (pairs == NULL)
            return err_memory(e, "token counts", capacity * sizeof *pairs);
        k->pairs = pairs;
        k->capacity = capacity;
    }
    k->pairs[k->n++] = *pair;
    return 0;
}

static int keep_all(struct kept *k, const struct choosing *c, struct err *e)
{
    struct token_counts_walk walk;
    struct token_count pair;
    uint32_t id = 0;
    int code = 0;
    token_counts_walk_begin(&walk, c->t, e);
    for (; code == 0 && token_counts_walk_next(&walk, &pair); id++)
        if (is_kept(c, &pair, id))
            code = keep(k, &pair, e);
    int walked = token_counts_walk_end(&walk);
    return code != 0 ? code : walked;
}

static int by_vocab(const void *left, const void *right)
{
    const struct token_count *a = left, *b = right;
    if (a->vocab != b->vocab)
        return a->vocab < b->vocab ? -1 : 1;
    return (a->feature > b->feature) - (a->feature < b->feature);
}

int token_choice_make(struct token_count **out, size_t *n,
                      const struct token_counts *t,
                      const struct token_choice *choice, struct err *e)
{
    struct choosing c = {.t = t, .choice = choice};
    struct kept kept = {0};
    int code = init(&c, e);
    if (code == 0)
        code = rank_all(&c, e);
    if (code == 0)
        code = keep_all(&kept, &c, e);
    if (code == 0 && kept.n > 0)
        qsort(kept.pairs, kept.n, sizeof *kept.pairs, by_vocab);
    choosing_free(&c);
    if (code != 0)
        free(kept.pairs);
    *out = code == 0 ? kept.pairs : NULL;
    *n = code == 0 ? kept.n : 0;
    return code;
}
