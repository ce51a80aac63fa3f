/* SPDX-License-Identifier: MIT */
#include "encode/token_counts.h"

#include <stdbool.h>
#include <stdlib.h>

#include "encode/best.h"

enum { FIRST_CAPACITY = 1024 }; /* a power of two */

int token_counts_init(struct token_counts *t, size_t n_parts, struct err *e)
{
    *t = (struct token_counts){.n_parts = n_parts};
    t->parts = calloc(n_parts, sizeof *t->parts);
    if (t->parts == NULL)
        return err_memory(e, "token counts", n_parts * sizeof *t->parts);
    return 0;
}

void token_counts_free(struct token_counts *t)
{
    for (size_t p = 0; p < t->n_parts && t->parts != NULL; p++)
        free(t->parts[p].pairs);
    free(t->parts);
    *t = (struct token_counts){0};
}

/* ---- the table ---- */

/* Fibonacci hashing (Knuth, TAOCP 3, 6.4): the high bits of a multiple of
 * 2^64 / golden ratio are spread evenly. */
static size_t place_of(uint32_t feature, uint32_t vocab, size_t capacity)
{
    uint64_t key = (uint64_t)feature << 32 | vocab;
    key ^= key >> 32 << 7; /* let both halves reach the low bits */
    return (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (capacity - 1);
}

/* The pair's place: its own, or the empty one where it belongs. */
static struct token_count *find(struct token_count *pairs, size_t capacity,
                                uint32_t feature, uint32_t vocab)
{
    size_t at = place_of(feature, vocab, capacity);
    while (pairs[at].count != 0 &&
           (pairs[at].feature != feature || pairs[at].vocab != vocab))
        at = (at + 1) & (capacity - 1);
    return &pairs[at];
}

static int grow(struct token_counts_part *p)
{
    size_t capacity = p->capacity == 0 ? FIRST_CAPACITY : 2 * p->capacity;
    struct token_count *pairs = calloc(capacity, sizeof *pairs);
    if (pairs == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < p->capacity; i++) {
        const struct token_count *old = &p->pairs[i];
        if (old->count != 0)
            *find(pairs, capacity, old->feature, old->vocab) = *old;
    }
    free(p->pairs);
    p->pairs = pairs;
    p->capacity = capacity;
    return 0;
}

int token_counts_add(struct token_counts *t, size_t part, uint32_t feature,
                     uint32_t vocab, float value)
{
    struct token_counts_part *p = &t->parts[part];
    /* At most three quarters full: linear probing stays short. */
    if (p->n >= p->capacity / 4 * 3)
        TRY(grow(p));
    struct token_count *pair = find(p->pairs, p->capacity, feature, vocab);
    if (pair->count == 0) {
        *pair = (struct token_count){.feature = feature, .vocab = vocab};
        p->n++;
    }
    pair->count++;
    pair->sum += (double)value;
    if (value > pair->max)
        pair->max = value;
    return 0;
}

/* ---- the result ---- */

static int by_feature(const void *left, const void *right)
{
    const struct token_count *a = left, *b = right;
    if (a->feature != b->feature)
        return a->feature < b->feature ? -1 : 1;
    return (a->vocab > b->vocab) - (a->vocab < b->vocab);
}

static int by_vocab(const void *left, const void *right)
{
    const struct token_count *a = left, *b = right;
    if (a->vocab != b->vocab)
        return a->vocab < b->vocab ? -1 : 1;
    return (a->feature > b->feature) - (a->feature < b->feature);
}

/* Moves the pairs of a part to its front and sorts them. */
static void finish_part(void *ctx, size_t item, int thread)
{
    (void)thread;
    struct token_counts *t = ctx;
    struct token_counts_part *p = &t->parts[item];
    size_t n = 0;
    for (size_t i = 0; i < p->capacity; i++)
        if (p->pairs[i].count != 0)
            p->pairs[n++] = p->pairs[i];
    if (n > 0)
        qsort(p->pairs, n, sizeof *p->pairs, by_feature);
}

void token_counts_finish(struct token_counts *t, const struct team *team)
{
    team_run(team, finish_part, t, t->n_parts);
}

void token_counts_strings(const struct token_counts *t, uint64_t *strings,
                          size_t m)
{
    for (size_t f = 0; f < m; f++)
        strings[f] = 0;
    for (size_t p = 0; p < t->n_parts; p++)
        for (size_t i = 0; i < t->parts[p].n; i++)
            strings[t->parts[p].pairs[i].feature]++;
}

static size_t total(const struct token_counts *t)
{
    size_t n = 0;
    for (size_t p = 0; p < t->n_parts; p++)
        n += t->parts[p].n;
    return n;
}

/* Marks the best pairs of every feature or every string, by frequency or by
 * strength. Pairs are numbered part by part. */
static int mark(const struct token_counts *t, bool *keep, size_t slots,
                bool of_feature, bool by_count, size_t limit, struct err *e)
{
    struct best best;
    TRY(best_init(&best, slots, limit, e));
    uint32_t id = 0;
    for (size_t p = 0; p < t->n_parts; p++)
        for (size_t i = 0; i < t->parts[p].n; i++, id++) {
            const struct token_count *c = &t->parts[p].pairs[i];
            float count = (float)c->count;
            best_offer(&best, of_feature ? c->feature : c->vocab,
                       (struct best_entry){.id = id,
                                           .key = id, /* all differ */
                                           .score = by_count ? count : c->max,
                                           .tie = by_count ? c->max : count});
        }
    for (size_t slot = 0; slot < slots; slot++) {
        size_t n;
        const struct best_entry *list = best_list(&best, slot, &n);
        for (size_t i = 0; i < n; i++)
            keep[list[i].id] = true;
    }
    best_free(&best);
    return 0;
}

/* The marked pairs into one array by (vocab, feature). */
static int gather(const struct token_counts *t, const bool *keep,
                  struct token_count **out, size_t *n, struct err *e)
{
    size_t kept = 0, all = total(t);
    for (size_t id = 0; id < all; id++)
        kept += keep[id];
    struct token_count *pairs = malloc((kept + 1) * sizeof *pairs);
    if (pairs == NULL)
        return err_memory(e, "token counts", (kept + 1) * sizeof *pairs);
    size_t id = 0, used = 0;
    for (size_t p = 0; p < t->n_parts; p++)
        for (size_t i = 0; i < t->parts[p].n; i++, id++)
            if (keep[id])
                pairs[used++] = t->parts[p].pairs[i];
    qsort(pairs, used, sizeof *pairs, by_vocab);
    *out = pairs;
    *n = used;
    return 0;
}

int token_counts_select(const struct token_counts *t, struct token_count **out,
                        size_t *n, size_t m, size_t n_vocab, size_t limit,
                        struct err *e)
{
    size_t all = total(t);
    if (all > UINT32_MAX)
        return err_set(e, ERR_SYSTEM,
                       "more than 4 billion pairs of feature "
                       "and token string");
    bool *keep = calloc(all + 1, sizeof *keep);
    if (keep == NULL)
        return err_memory(e, "token counts", all + 1);
    int code = mark(t, keep, m, true, true, limit, e);
    if (code == 0)
        code = mark(t, keep, m, true, false, limit, e);
    if (code == 0)
        code = mark(t, keep, n_vocab, false, true, limit, e);
    if (code == 0)
        code = mark(t, keep, n_vocab, false, false, limit, e);
    if (code == 0)
        code = gather(t, keep, out, n, e);
    free(keep);
    return code;
}
