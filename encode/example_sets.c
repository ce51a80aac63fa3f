/* SPDX-License-Identifier: MIT */
#include "encode/example_sets.h"

#include <stdio.h>

#include "base/rng.h"
#include "encode/silent.h"
#include "encode/text_key.h"

/* What choosing needs beside its result. */
struct choosing {
    struct example_sets *sets;
    struct scan *scan;
    const int32_t *ids; /* of the dump, or NULL */
    struct rng random;  /* its lane is set to the feature */
    struct silent silent;
    /* Of a feature active at half of the tokens or more, the first that has
     * not been looked at: the others up to the next active one are silent. */
    uint32_t *seen; /* (m) */
    struct arena arena;
};

/* ---- beginning ---- */

static void set_edges(struct example_feature *x, const struct scan *s, size_t f)
{
    float max = s->statistics.max[f];
    for (int i = 0; i <= EXAMPLE_INTERVALS; i++)
        x->width[i] = (double)max * i / EXAMPLE_INTERVALS;
    quantiles_edges(&s->quantiles, f, max, x->count, EXAMPLE_INTERVALS);
    x->tokens[EXAMPLE_SILENT] = (uint32_t)(s->tokens - s->statistics.fires[f]);
}

static int begin(struct choosing *c, size_t limit, uint64_t seed, struct err *e)
{
    struct example_sets *x = c->sets;
    const struct scan *s = c->scan;
    static const char what[] = "random examples";
    TRY(best_init(&x->drawn, x->m * EXAMPLE_SLOTS, limit, e));
    TRY(arena_get(&x->arena, &x->features, x->m, sizeof *x->features, what, e));
    TRY(arena_get(&c->arena, &c->seen, x->m, sizeof *c->seen, what, e));
    for (size_t f = 0; f < x->m; f++)
        set_edges(&x->features[f], s, f);
    c->ids = dump_tokens(s->in.dump);
    c->random = rng_at(seed, RNG_EXAMPLES, 0);
    return silent_init(&c->silent, x->m, s->tokens, limit, seed, e);
}

static bool is_dense(const struct choosing *c, size_t f)
{
    return c->scan->statistics.fires[f] >= c->scan->tokens / 2;
}

/* ---- one token ---- */

/* The smaller the random number the better. As a float it is exact below 2^24,
 * and above that it counts only in sets of a few hundred tokens, where two
 * numbers are rarely near. */
static float score_of(uint32_t random)
{
    return -(float)random;
}

static void offer(struct choosing *c, size_t f, int slot, uint32_t random,
                  struct best_entry entry)
{
    struct best *drawn = &c->sets->drawn;
    size_t at = f * EXAMPLE_SLOTS + (size_t)slot;
    entry.score = score_of(random);
    if (!best_is_late(drawn, at, entry.score))
        best_offer(drawn, at, entry);
}

/* Numbers for a feature and token: width, count, random, silent. */
static void draw(struct choosing *c, size_t f, uint32_t token,
                 uint32_t random[4])
{
    c->random.lane = (uint32_t)f;
    rng_block(&c->random, token, random);
}

static struct best_entry entry_of(const struct choosing *c, uint32_t token)
{
    const struct sample *sample = c->scan->in.sample;
    uint64_t start = (uint64_t)sample->start[sample_context(sample, token)];
    return (struct best_entry){.id = token,
                               .key = text_key(c->ids, start, token)};
}

/* A dense feature is silent at the tokens from the last one seen to `end`. */
static void offer_silent(struct choosing *c, size_t f, uint32_t end)
{
    const struct best *drawn = &c->sets->drawn;
    size_t at = f * EXAMPLE_SLOTS + EXAMPLE_SILENT;
    for (uint32_t token = c->seen[f]; token < end; token++) {
        uint32_t random[4];
        draw(c, f, token, random);
        if (!best_is_late(drawn, at, score_of(random[3])))
            offer(c, f, EXAMPLE_SILENT, random[3], entry_of(c, token));
    }
}

static int interval_of(const double *edges, float value)
{
    int i = 0;
    while (i < EXAMPLE_INTERVALS - 1 && (double)value > edges[i + 1])
        i++;
    return i;
}

/* An activation; `entry` has its token and text. */
static void add(struct choosing *c, size_t f, float value,
                struct best_entry entry)
{
    struct example_feature *x = &c->sets->features[f];
    int width = EXAMPLE_WIDTH + interval_of(x->width, value);
    int count = EXAMPLE_COUNT + interval_of(x->count, value);
    uint32_t random[4];
    draw(c, f, entry.id, random);
    entry.tie = value;
    x->tokens[width]++;
    x->tokens[count]++;
    x->tokens[EXAMPLE_RANDOM]++;
    offer(c, f, width, random[0], entry);
    offer(c, f, count, random[1], entry);
    offer(c, f, EXAMPLE_RANDOM, random[2], entry);
    if (is_dense(c, f)) {
        offer_silent(c, f, entry.id);
        c->seen[f] = entry.id + 1;
    } else {
        silent_active(&c->silent, f, entry.id);
    }
}

/* ---- all of them ---- */

static int add_chunk(struct choosing *c, uint64_t first, size_t n,
                     struct err *e)
{
    struct spill *spill = &c->scan->spill;
    const struct sample *sample = c->scan->in.sample;
    TRY(spill_read(spill, n, e));
    size_t context = sample_context(sample, first), i = 0;
    for (size_t row = 0; row < n; row++) {
        uint64_t token = first + row;
        while (token >= (uint64_t)sample->start[context + 1])
            context++;
        struct best_entry entry = {
            .id = (uint32_t)token,
            .key = text_key(c->ids, (uint64_t)sample->start[context], token)};
        for (uint32_t left = spill->counts[row]; left > 0; left--, i++)
            add(c, spill->feature[i], spill->value[i], entry);
    }
    return 0;
}

/* Without the active ones the draws of a feature are of silent tokens. */
static void take_silent(struct choosing *c)
{
    const struct scan *s = c->scan;
    for (size_t f = 0; f < c->sets->m; f++) {
        const struct silent_draw *drawn = c->silent.draw + f * c->silent.draws;
        if (s->statistics.fires[f] == 0)
            continue;
        if (is_dense(c, f))
            offer_silent(c, f, (uint32_t)s->tokens);
        else
            for (size_t i = 0; i < c->silent.draws; i++)
                if (!drawn[i].active)
                    offer(c, f, EXAMPLE_SILENT, drawn[i].order,
                          entry_of(c, drawn[i].token));
    }
}

static int add_all(struct choosing *c, struct background *b, struct err *e)
{
    struct scan *s = c->scan;
    for (uint64_t first = 0; first < s->tokens;) {
        uint64_t left = s->tokens - first;
        size_t n = left < CHUNK_ROWS ? (size_t)left : CHUNK_ROWS;
        TRY(add_chunk(c, first, n, e));
        first += n;
        TRY(background_step(b, n, e));
    }
    take_silent(c);
    return spill_rewind(&s->spill, e);
}

static int choose(void *ctx, struct background *b, struct err *e)
{
    struct example_sets *x = ctx;
    struct choosing c = {.sets = x, .scan = x->scan};
    const struct scan_input *in = &x->scan->in;
    int code = begin(&c, in->interval_examples, in->seed, e);
    if (code == 0)
        code = add_all(&c, b, e);
    silent_free(&c.silent);
    arena_free(&c.arena);
    return code;
}

void example_sets_begin(struct example_sets *x, struct scan *s)
{
    *x = (struct example_sets){.m = s->in.sae->m, .scan = s};
    background_begin(&x->background, choose, x, s->in.team->threads == 1);
}

int example_sets_wait(struct example_sets *x, struct err *e)
{
    const struct scan *s = x->scan;
    char what[128];
    (void)snprintf(what, sizeof what, "draw examples %.100s", s->in.sae->name);
    return background_wait(&x->background, what, "tokens", s->tokens, e);
}

void example_sets_end(struct example_sets *x)
{
    background_end(&x->background);
    best_free(&x->drawn);
    arena_free(&x->arena);
    *x = (struct example_sets){0};
}
