/* SPDX-License-Identifier: MIT */
#include "encode/token_counts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "encode/statistics.h"

enum {
    FIRST_CAPACITY = 256, /* a power of two */
    BUFFER_PAIRS = 512,   /* of a run that is read */
};

int token_counts_init(struct token_counts *t, size_t n_parts, uint64_t memory,
                      const char *path, struct err *e)
{
    *t = (struct token_counts){.n_parts = n_parts};
    uint64_t share = memory / n_parts / sizeof(struct token_counts_pair);
    for (t->most = FIRST_CAPACITY; 2 * t->most <= share;)
        t->most *= 2;
    TRY(temporary_open(&t->file, path, 0, e));
    t->parts = calloc(n_parts, sizeof *t->parts);
    if (t->parts != NULL)
        return 0;
    temporary_close(&t->file);
    return err_memory(e, "token counts", n_parts * sizeof *t->parts);
}

void token_counts_free(struct token_counts *t)
{
    for (size_t p = 0; p < t->n_parts && t->parts != NULL; p++) {
        free(t->parts[p].pairs);
        free(t->parts[p].runs);
    }
    free(t->parts);
    temporary_close(&t->file);
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
static struct token_counts_pair *find(struct token_counts_pair *pairs,
                                      size_t capacity, uint32_t feature,
                                      uint32_t vocab)
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
    struct token_counts_pair *pairs = calloc(capacity, sizeof *pairs);
    if (pairs == NULL)
        return err_memory(&p->e, "token counts", capacity * sizeof *pairs);
    for (size_t i = 0; i < p->capacity; i++) {
        const struct token_counts_pair *old = &p->pairs[i];
        if (old->count != 0)
            *find(pairs, capacity, old->feature, old->vocab) = *old;
    }
    free(p->pairs);
    p->pairs = pairs;
    p->capacity = capacity;
    return 0;
}

static bool before(const struct token_counts_pair *a,
                   const struct token_counts_pair *b)
{
    if (a->feature != b->feature)
        return a->feature < b->feature;
    return a->vocab < b->vocab;
}

static int by_feature(const void *left, const void *right)
{
    return before(right, left) - before(left, right);
}

/* Moves the pairs of a part to its front and sorts them. */
static void sort_part(struct token_counts_part *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->capacity; i++)
        if (p->pairs[i].count != 0)
            p->pairs[n++] = p->pairs[i];
    if (n > 0)
        qsort(p->pairs, n, sizeof *p->pairs, by_feature);
}

/* Writes the table as a run and empties it. */
static int write_run(struct token_counts *t, struct token_counts_part *p)
{
    if (p->n_runs == p->runs_capacity) {
        size_t capacity = 2 * p->runs_capacity + 4;
        struct token_counts_run *runs =
            realloc(p->runs, capacity * sizeof *runs);
        if (runs == NULL)
            return err_memory(&p->e, "token counts", capacity * sizeof *runs);
        p->runs = runs;
        p->runs_capacity = capacity;
    }
    sort_part(p);
    size_t bytes = p->n * sizeof *p->pairs;
    uint64_t offset = atomic_fetch_add(&t->end, bytes);
    TRY(temporary_write_at(&t->file, p->pairs, bytes, offset, &p->e));
    p->runs[p->n_runs++] = (struct token_counts_run){offset, p->n};
    memset(p->pairs, 0, p->capacity * sizeof *p->pairs);
    p->n = 0;
    return 0;
}

static unsigned __int128 fixed_point(float value)
{
    double most = 0x1p34, v = (double)value < most ? (double)value : most;
    return (unsigned __int128)(v * 0x1p60);
}

void token_counts_add(struct token_counts *t, size_t part, uint32_t feature,
                      uint32_t vocab, float value)
{
    struct token_counts_part *p = &t->parts[part];
    if (p->code != 0)
        return;
    /* At most three quarters full: linear probing stays short. */
    if (p->n >= p->capacity / 4 * 3)
        p->code = p->capacity < t->most ? grow(p) : write_run(t, p);
    if (p->code != 0)
        return;
    struct token_counts_pair *pair =
        find(p->pairs, p->capacity, feature, vocab);
    if (pair->count == 0) {
        *pair = (struct token_counts_pair){.feature = feature, .vocab = vocab};
        p->n++;
    }
    pair->count++;
    pair->sum += fixed_point(value);
    if (value > pair->max)
        pair->max = value;
}

void token_counts_prefetch(const struct token_counts *t, size_t part,
                           uint32_t feature, uint32_t vocab)
{
    const struct token_counts_part *p = &t->parts[part];
    if (p->capacity > 0)
        __builtin_prefetch(&p->pairs[place_of(feature, vocab, p->capacity)]);
}

int token_counts_check(const struct token_counts *t, struct err *e)
{
    for (size_t p = 0; p < t->n_parts; p++)
        if (t->parts[p].code != 0)
            return err_set(e, t->parts[p].code, "%s", t->parts[p].e.msg);
    return 0;
}

static void finish_part(void *ctx, size_t item, int thread)
{
    (void)thread;
    struct token_counts *t = ctx;
    sort_part(&t->parts[item]);
}

void token_counts_finish(struct token_counts *t, const struct team *team)
{
    team_run(team, finish_part, t, t->n_parts);
}

/* ---- reading ---- */

void token_counts_walk_begin(struct token_counts_walk *w,
                             const struct token_counts *t, struct err *e)
{
    *w = (struct token_counts_walk){.t = t, .e = e};
}

static void end_part(struct token_counts_walk *w)
{
    for (size_t c = 0; c < w->n_cursors; c++)
        free(w->cursors[c].buffer);
    free(w->cursors);
    w->cursors = NULL;
    w->n_cursors = 0;
}

/* The next pairs of a run into its buffer. */
static int refill(struct token_counts_walk *w, struct token_counts_cursor *c)
{
    uint64_t left = c->rest.n;
    size_t n = left < BUFFER_PAIRS ? (size_t)left : BUFFER_PAIRS;
    size_t bytes = n * sizeof *c->buffer;
    c->at = c->buffer;
    c->end = c->buffer + n;
    if (n == 0)
        return 0;
    TRY(temporary_read_at(&w->t->file, c->buffer, bytes, c->rest.offset, w->e));
    c->rest.offset += bytes;
    c->rest.n -= n;
    return 0;
}

static int begin_part(struct token_counts_walk *w)
{
    const struct token_counts_part *p = &w->t->parts[w->part++];
    size_t n = p->n_runs + 1;
    w->cursors = calloc(n, sizeof *w->cursors);
    if (w->cursors == NULL)
        return err_memory(w->e, "token counts", n * sizeof *w->cursors);
    w->n_cursors = n;
    w->cursors[0].at = p->pairs;
    w->cursors[0].end = p->pairs + p->n;
    for (size_t r = 0; r < p->n_runs; r++) {
        struct token_counts_cursor *c = &w->cursors[r + 1];
        c->rest = p->runs[r];
        c->buffer = malloc(BUFFER_PAIRS * sizeof *c->buffer);
        if (c->buffer == NULL)
            return err_memory(w->e, "token counts",
                              BUFFER_PAIRS * sizeof *c->buffer);
        TRY(refill(w, c));
    }
    return 0;
}

/* The least pair that is left of the part, of equals any; NULL: none. */
static const struct token_counts_pair *least(const struct token_counts_walk *w)
{
    const struct token_counts_pair *found = NULL;
    for (size_t i = 0; i < w->n_cursors; i++) {
        const struct token_counts_cursor *c = &w->cursors[i];
        if (c->at < c->end && (found == NULL || before(c->at, found)))
            found = c->at;
    }
    return found;
}

/* Adds what all cursors have of the pair. */
static int take(struct token_counts_walk *w, struct token_counts_pair *sum)
{
    for (size_t i = 0; i < w->n_cursors; i++) {
        struct token_counts_cursor *c = &w->cursors[i];
        if (c->at == c->end || before(sum, c->at))
            continue;
        sum->count += c->at->count;
        sum->sum += c->at->sum;
        if (c->at->max > sum->max)
            sum->max = c->at->max;
        c->at++;
        if (c->at == c->end && c->buffer != NULL)
            TRY(refill(w, c));
    }
    return 0;
}

bool token_counts_walk_next(struct token_counts_walk *w,
                            struct token_count *out)
{
    const struct token_counts_pair *next = NULL;
    while (w->code == 0 && (next = least(w)) == NULL) {
        end_part(w);
        if (w->part == w->t->n_parts)
            return false;
        w->code = begin_part(w);
    }
    if (w->code != 0)
        return false;
    struct token_counts_pair sum = {.feature = next->feature,
                                    .vocab = next->vocab};
    w->code = take(w, &sum);
    *out = (struct token_count){sum.feature, sum.vocab, sum.count, sum.max,
                                (double)sum.sum * 0x1p-60};
    return w->code == 0;
}

int token_counts_walk_end(struct token_counts_walk *w)
{
    end_part(w);
    return w->code;
}

int token_counts_strings(const struct token_counts *t, uint64_t *strings,
                         double *entropy, size_t m, struct err *e)
{
    struct token_counts_walk walk;
    struct token_count pair = {0};
    double sum = 0, weighted = 0;
    uint32_t feature = 0; /* that both belong to */
    for (size_t f = 0; f < m; f++) {
        strings[f] = 0;
        entropy[f] = (double)NAN;
    }
    token_counts_walk_begin(&walk, t, e);
    while (token_counts_walk_next(&walk, &pair)) {
        if (pair.feature != feature && sum > 0) {
            entropy[feature] = statistics_entropy(sum, weighted);
            sum = weighted = 0;
        }
        feature = pair.feature;
        sum += pair.count;
        weighted += pair.count * log2(pair.count);
        strings[feature]++;
    }
    if (sum > 0)
        entropy[feature] = statistics_entropy(sum, weighted);
    return token_counts_walk_end(&walk);
}
