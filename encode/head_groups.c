/* SPDX-License-Identifier: MIT */
#include "encode/head_groups.h"

#include <math.h>
#include <stdlib.h>

#include "encode/best.h"
#include "encode/linkage.h"
#include "encode/tables.h"
#include "kernels/kernels.h"

enum { STRINGS = 128 }; /* of a feature */
static const double cosine_bound = 0.5, shared_bound = 0.25;

/* x_f(v) of head_groups.h. */
struct preference {
    uint32_t vocab;
    double more;
};

struct job {
    const struct scan *s;
    const double *data_share; /* (m, heads) */
    struct best chosen;       /* (heads) id: feature, score: its codes */
    uint32_t *slot;           /* (m) + 1 of a feature that any head has; 0 */
    size_t slots;
    struct preference *preference; /* (slots, STRINGS) by vocab */
    size_t *strings;               /* (slots) of them */
    struct arena arena;
};

/* ---- which features ---- */

static void choose(struct job *j)
{
    const struct statistics *st = &j->s->statistics;
    size_t heads = (size_t)st->heads;
    for (size_t h = 0; h < heads; h++)
        for (size_t f = 0; f < st->m; f++) {
            uint64_t codes = j->s->head_codes.count[h * st->m + f];
            double share = j->data_share[f * heads + h];
            if (codes == 0 || st->fires[f] < HEAD_GROUP_FIRES ||
                !(share >= HEAD_GROUP_SHARE))
                continue;
            uint32_t id = (uint32_t)f;
            best_offer(&j->chosen, h,
                       (struct best_entry){
                           .id = id, .key = id, .score = (float)codes});
        }
    for (size_t h = 0; h < heads; h++) {
        size_t n;
        const struct best_entry *list = best_list(&j->chosen, h, &n);
        for (size_t i = 0; i < n; i++)
            if (j->slot[list[i].id] == 0)
                j->slot[list[i].id] = (uint32_t)++j->slots;
    }
}

/* ---- which strings they prefer ---- */

static int by_vocab(const void *left, const void *right)
{
    const struct preference *a = left, *b = right;
    return (a->vocab > b->vocab) - (a->vocab < b->vocab);
}

static int offer_strings(const struct job *j, struct best *most,
                         const uint64_t *occurrences, struct err *e)
{
    const struct scan *s = j->s;
    struct token_counts_walk walk;
    struct token_count pair;
    token_counts_walk_begin(&walk, &s->strings, e);
    while (token_counts_walk_next(&walk, &pair)) {
        uint32_t slot = j->slot[pair.feature];
        double p = pair.sum / s->statistics.sum[pair.feature];
        double q = (double)occurrences[pair.vocab] / (double)s->tokens;
        if (slot > 0 && p > q)
            best_offer(most, slot - 1,
                       (struct best_entry){.id = pair.vocab,
                                           .key = pair.vocab,
                                           .score = (float)(p - q)});
    }
    return token_counts_walk_end(&walk);
}

static void take_strings(struct job *j, const struct best *most)
{
    for (size_t slot = 0; slot < j->slots; slot++) {
        struct preference *p = j->preference + slot * STRINGS;
        size_t n;
        const struct best_entry *list = best_list(most, slot, &n);
        for (size_t i = 0; i < n; i++)
            p[i] = (struct preference){list[i].id, (double)list[i].score};
        qsort(p, n, sizeof *p, by_vocab);
        j->strings[slot] = n;
    }
}

static int find_strings(struct job *j, struct err *e)
{
    struct arena scratch = {0};
    struct best most = {0};
    uint64_t *occurrences;
    size_t n_vocab;
    TRY(arena_get(&j->arena, &j->preference, j->slots * STRINGS,
                  sizeof *j->preference, "groups of features", e));
    TRY(arena_get(&j->arena, &j->strings, j->slots, sizeof *j->strings,
                  "groups of features", e));
    if (dump_tokens(j->s->in.dump) == NULL)
        return 0;
    int code = tables_count_strings(&scratch, &occurrences, &n_vocab,
                                    j->s->in.dump, e);
    if (code == 0)
        code = best_init(&most, j->slots, STRINGS, e);
    if (code == 0)
        code = offer_strings(j, &most, occurrences, e);
    if (code == 0)
        take_strings(j, &most);
    best_free(&most);
    arena_free(&scratch);
    return code;
}

/* ---- how related they are ---- */

static double cosine(const struct job *j, size_t head, uint32_t f, uint32_t g)
{
    const struct sae *s = j->s->in.sae;
    size_t d_head = s->d / (size_t)j->s->heads;
    const float *a = s->w_dec + f * s->d + head * d_head;
    const float *b = s->w_dec + g * s->d + head * d_head;
    double aa = kernels.dot_double(a, a, d_head);
    double bb = kernels.dot_double(b, b, d_head);
    return aa > 0 && bb > 0
               ? kernels.dot_double(a, b, d_head) / sqrt(aa) / sqrt(bb)
               : 0;
}

static double shared(const struct job *j, uint32_t f, uint32_t g)
{
    size_t slot_f = j->slot[f] - 1, slot_g = j->slot[g] - 1;
    const struct preference *a = j->preference + slot_f * STRINGS;
    const struct preference *b = j->preference + slot_g * STRINGS;
    const struct preference *a_end = a + j->strings[slot_f];
    const struct preference *b_end = b + j->strings[slot_g];
    double sum = 0;
    while (a < a_end && b < b_end) {
        if (a->vocab == b->vocab)
            sum += fmin(a->more, b->more);
        uint32_t at = a->vocab < b->vocab ? a->vocab : b->vocab;
        a += a->vocab == at;
        b += b->vocab == at;
    }
    return sum;
}

/* The features of one head, and how they fall into groups. */
struct grouping {
    size_t head, n;
    const struct best_entry *list;                              /* [n] */
    double relation[HEAD_GROUP_FEATURES * HEAD_GROUP_FEATURES]; /* (n, n) */
    size_t group[HEAD_GROUP_FEATURES]; /* [n] the group's first place */
};

static void relate(const struct job *j, struct grouping *g)
{
    for (size_t i = 0; i < g->n; i++)
        for (size_t k = 0; k < i; k++) {
            uint32_t a = g->list[i].id, b = g->list[k].id;
            double r = fmax(cosine(j, g->head, a, b) / cosine_bound,
                            shared(j, a, b) / shared_bound);
            g->relation[i * g->n + k] = g->relation[k * g->n + i] = fmax(r, 0);
        }
}

/* ---- rows ---- */

struct group {
    size_t first;   /* place in the list, which names it */
    uint64_t codes; /* of all its features */
};

static int by_codes(const void *left, const void *right)
{
    const struct group *a = left, *b = right;
    if (a->codes != b->codes)
        return a->codes > b->codes ? -1 : 1;
    return (a->first > b->first) - (a->first < b->first);
}

/* Into groups (HEAD_GROUP_FEATURES), sorted; returns how many. */
static size_t sort_groups(const struct job *j, const struct grouping *g,
                          struct group *groups)
{
    const uint64_t *codes = j->s->head_codes.count + g->head * j->s->in.sae->m;
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++) {
        if (g->group[i] != i)
            continue;
        groups[n] = (struct group){.first = i};
        for (size_t k = 0; k < g->n; k++)
            if (g->group[k] == i)
                groups[n].codes += codes[g->list[k].id];
        n++;
    }
    qsort(groups, n, sizeof *groups, by_codes);
    return n;
}

static int by_feature(const void *left, const void *right)
{
    const uint32_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static int write_group(const struct grouping *g, size_t first, int number,
                       struct store_writer *w, struct err *e)
{
    uint32_t features[HEAD_GROUP_FEATURES];
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++)
        if (g->group[i] == first)
            features[n++] = g->list[i].id;
    qsort(features, n, sizeof *features, by_feature);
    for (size_t i = 0; i < n; i++)
        TRY(store_writer_head_group(w, (int)g->head, number, features[i], e));
    return 0;
}

static int write_heads(struct job *j, struct store_writer *w, struct err *e)
{
    struct grouping *g;
    TRY(arena_get(&j->arena, &g, 1, sizeof *g, "groups of features", e));
    for (; g->head < (size_t)j->s->heads; g->head++) {
        struct group groups[HEAD_GROUP_FEATURES];
        g->list = best_list(&j->chosen, g->head, &g->n);
        relate(j, g);
        linkage(g->group, g->relation, g->n, 1);
        size_t n = sort_groups(j, g, groups);
        for (size_t i = 0; i < n; i++)
            TRY(write_group(g, groups[i].first, (int)i + 1, w, e));
    }
    return 0;
}

int head_groups_write(const struct scan *s, const double *data_share,
                      struct store_writer *w, struct err *e)
{
    struct job j = {.s = s, .data_share = data_share};
    int code = arena_get(&j.arena, &j.slot, s->statistics.m, sizeof *j.slot,
                         "groups of features", e);
    if (code == 0)
        code = best_init(&j.chosen, (size_t)s->heads, HEAD_GROUP_FEATURES, e);
    if (code == 0) {
        choose(&j);
        code = find_strings(&j, e);
    }
    if (code == 0)
        code = write_heads(&j, w, e);
    best_free(&j.chosen);
    arena_free(&j.arena);
    return code;
}
