/* SPDX-License-Identifier: MIT */
#include "circuit/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- nodes ---- */

enum { IN_POSITIVE = 1, IN_NEGATIVE = 2 };

/* seen (features): in which examples head h has each code. */
static void look(uint8_t *seen, const struct coded *c, size_t h)
{
    memset(seen, 0, c->features);
    for (size_t i = 0; i < c->n; i++) {
        int32_t code = c->code[i * c->heads + h];
        if (code >= 0)
            seen[code] |= c->label[i] == 1 ? IN_POSITIVE : IN_NEGATIVE;
    }
}

int scores_node(double *score, const struct coded *c, bool share, struct err *e)
{
    uint8_t *seen = malloc(c->features + 1);
    if (seen == NULL)
        return err_memory(e, "codes", c->features);
    for (size_t h = 0; h < c->heads; h++) {
        size_t only = 0, all = 0;
        look(seen, c, h);
        for (size_t f = 0; f < c->features; f++) {
            only += seen[f] == IN_POSITIVE;
            all += seen[f] != 0;
        }
        score[h] =
            share ? (all > 0 ? (double)only / (double)all : 0) : (double)only;
    }
    free(seen);
    return 0;
}

/* ---- information ---- */

static int ascending(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

/* Of how often each value occurs, in bits; sorts x. */
static double entropy(uint64_t *x, size_t n)
{
    double sum = 0;
    qsort(x, n, sizeof *x, ascending);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && x[end] == x[i];)
            end++;
        double share = (double)(end - i) / (double)n;
        sum -= share * log2(share);
    }
    return sum;
}

/* H(code) + H(class) - H(both). */
int scores_information(double *bits, const struct coded *c,
                       const int32_t *class, struct err *e)
{
    uint64_t *x = malloc((c->n + 1) * sizeof *x);
    if (x == NULL)
        return err_memory(e, "codes", c->n * sizeof *x);
    for (size_t h = 0; h < c->heads; h++) {
        bits[h] = 0;
        for (int part = 0; part < 3; part++) {
            size_t n = 0;
            for (size_t i = 0; i < c->n; i++) {
                uint64_t code = (uint64_t)(c->code[i * c->heads + h] + 1);
                if (class[i] >= 0)
                    x[n++] = (part == 0 ? 0 : code << 32) |
                             (part == 1 ? 0 : (uint64_t) class[i]);
            }
            bits[h] += (part == 2 ? -1 : 1) * entropy(x, n);
        }
    }
    free(x);
    return 0;
}

/* ---- codes of positives ---- */

static int frequent_first(const void *left, const void *right)
{
    const struct positive_code *a = left, *b = right;
    if (a->head != b->head)
        return a->head < b->head ? -1 : 1;
    if (a->examples != b->examples)
        return a->examples > b->examples ? -1 : 1;
    return (a->code > b->code) - (a->code < b->code);
}

int scores_positive_codes(struct positive_code **list, size_t *n,
                          const struct coded *c, struct arena *arena,
                          struct err *e)
{
    uint8_t *seen;
    uint32_t *count;
    *n = 0;
    TRY(arena_get(arena, list, c->n * c->heads, sizeof **list, "codes", e));
    TRY(arena_get(arena, &seen, c->features, sizeof *seen, "codes", e));
    TRY(arena_get(arena, &count, c->features, sizeof *count, "codes", e));
    for (size_t h = 0; h < c->heads; h++) {
        look(seen, c, h);
        memset(count, 0, c->features * sizeof *count);
        for (size_t i = 0; i < c->n; i++)
            if (c->code[i * c->heads + h] >= 0)
                count[c->code[i * c->heads + h]]++;
        for (size_t f = 0; f < c->features; f++)
            if (seen[f] == IN_POSITIVE)
                (*list)[(*n)++] =
                    (struct positive_code){(uint32_t)h, (uint32_t)f, count[f]};
    }
    qsort(*list, *n, sizeof **list, frequent_first);
    return 0;
}

/* ---- edges ---- */

struct edges {
    uint32_t *edge;
    const struct coded *c;
    int32_t *code;   /* (n, heads) numbered anew within a head */
    size_t codes;    /* they are below */
    uint32_t *stamp; /* (threads, codes²) when a pair of codes was seen */
    uint32_t *now;   /* (threads) two numbers for each item */
    struct arena arena;
};

/* A head has few of an SAE's features as codes: their numbers from 0 on. */
static int number_codes(struct edges *x, struct err *e)
{
    const struct coded *c = x->c;
    int32_t *number; /* (features) + 1 */
    TRY(arena_get(&x->arena, &x->code, c->n * c->heads, sizeof *x->code,
                  "codes", e));
    TRY(arena_get(&x->arena, &number, c->features, sizeof *number, "codes", e));
    for (size_t h = 0; h < c->heads; h++) {
        int32_t n = 0;
        memset(number, 0, c->features * sizeof *number);
        for (size_t i = h; i < c->n * c->heads; i += c->heads) {
            if (c->code[i] >= 0 && number[c->code[i]] == 0)
                number[c->code[i]] = ++n;
            x->code[i] = c->code[i] < 0 ? -1 : number[c->code[i]] - 1;
        }
        x->codes = (size_t)n > x->codes ? (size_t)n : x->codes;
    }
    return 0;
}

/* Head h with all heads behind it. A pair of codes is stamped with the item's
 * first number if a negative example has it, with its second once a positive
 * one without that has been counted. */
static void edges_of_head(void *ctx, size_t h, int thread)
{
    const struct edges *x = ctx;
    const struct coded *c = x->c;
    uint32_t *stamp = x->stamp + (size_t)thread * x->codes * x->codes;
    for (size_t k = h + 1; k < c->heads; k++) {
        uint32_t negative = x->now[thread] + 1, counted = negative + 1, n = 0;
        x->now[thread] = counted;
        for (int label = 0; label < 2; label++)
            for (size_t i = 0; i < c->n; i++) {
                const int32_t *code = x->code + i * c->heads;
                if (c->label[i] != label || code[h] < 0 || code[k] < 0)
                    continue;
                uint32_t *at =
                    &stamp[(size_t)code[h] * x->codes + (size_t)code[k]];
                if (label == 0)
                    *at = negative;
                else if (*at < negative) {
                    *at = counted;
                    n++;
                }
            }
        x->edge[h * c->heads + k] = x->edge[k * c->heads + h] = n;
    }
}

int scores_edge(uint32_t *edge, const struct coded *c, const struct team *team,
                struct err *e)
{
    size_t threads = (size_t)team->threads;
    struct edges x = {.edge = edge, .c = c};
    memset(edge, 0, c->heads * c->heads * sizeof *edge);
    int code = number_codes(&x, e);
    if (code == 0)
        code = arena_get(&x.arena, &x.stamp, threads * x.codes * x.codes,
                         sizeof *x.stamp, "pairs of codes", e);
    if (code == 0)
        code = arena_get(&x.arena, &x.now, threads, sizeof *x.now,
                         "pairs of codes", e);
    if (code == 0)
        team_run(team, edges_of_head, &x, c->heads);
    arena_free(&x.arena);
    return code;
}

struct pair {
    uint32_t score, index; /* h × heads + k */
};

static int largest_first(const void *left, const void *right)
{
    const struct pair *a = left, *b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

int scores_from_edges(double *score, const uint32_t *edge, size_t heads,
                      struct err *e)
{
    size_t n = 0;
    struct pair *pairs = malloc((heads * heads + 1) * sizeof *pairs);
    if (pairs == NULL)
        return err_memory(e, "edges", heads * heads * sizeof *pairs);
    for (size_t i = 0; i < heads * heads; i++)
        if (i / heads != i % heads)
            pairs[n++] = (struct pair){edge[i], (uint32_t)i};
    qsort(pairs, n, sizeof *pairs, largest_first);
    memset(score, 0, heads * sizeof *score);
    for (size_t i = 0; i < n && 2 * i < heads * heads / 2; i++) {
        score[pairs[i].index / heads]++;
        if (2 * i + 1 < heads * heads / 2)
            score[pairs[i].index % heads]++;
    }
    free(pairs);
    return 0;
}
