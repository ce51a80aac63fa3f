/* SPDX-License-Identifier: MIT */
#include "encode/sample.h"

#include "base/rng.h"

enum { BLOCK_TOKENS = 256 };

static int set_contexts(struct sample *s, const struct dump *d, struct err *e)
{
    const struct dump_info *info = dump_info(d);
    const int64_t *known = dump_contexts(d);
    s->contexts =
        known != NULL
            ? (size_t)info->contexts
            : (size_t)((info->tokens + BLOCK_TOKENS - 1) / BLOCK_TOKENS);
    TRY(arena_get(&s->arena, &s->start, s->contexts + 1, sizeof *s->start,
                  "contexts", e));
    TRY(arena_get(&s->arena, &s->in, s->contexts, sizeof *s->in, "contexts",
                  e));
    for (size_t c = 0; c < s->contexts; c++)
        s->start[c] = known != NULL ? known[c] : (int64_t)c * BLOCK_TOKENS;
    s->start[s->contexts] = (int64_t)info->tokens;
    return 0;
}

static void take(struct sample *s, size_t context)
{
    s->in[context] = true;
    s->n_in++;
    s->tokens += (uint64_t)(s->start[context + 1] - s->start[context]);
}

static int draw(struct sample *s, uint64_t limit, uint64_t seed, struct err *e)
{
    struct arena scratch = {0};
    uint64_t *order;
    TRY(arena_get(&scratch, &order, s->contexts, sizeof *order, "contexts", e));
    struct rng r = rng_at(seed, RNG_SAMPLE, 0);
    rng_permutation(&r, order, s->contexts);
    for (size_t i = 0; i < s->contexts; i++) {
        size_t c = (size_t)order[i];
        uint64_t size = (uint64_t)(s->start[c + 1] - s->start[c]);
        if (s->n_in > 0 && s->tokens + size > limit)
            break;
        take(s, c);
    }
    arena_free(&scratch);
    return 0;
}

int sample_draw(struct sample *s, const struct dump *d, uint64_t limit,
                uint64_t seed, struct err *e)
{
    *s = (struct sample){0};
    int code = set_contexts(s, d, e);
    if (code == 0 && dump_info(d)->tokens > limit)
        code = draw(s, limit, seed, e);
    else if (code == 0)
        for (size_t c = 0; c < s->contexts; c++)
            take(s, c);
    if (code != 0)
        sample_free(s);
    return code;
}

void sample_free(struct sample *s)
{
    arena_free(&s->arena);
    *s = (struct sample){0};
}

uint64_t sample_longest(const struct sample *s)
{
    int64_t longest = 0;
    for (size_t c = 0; c < s->contexts; c++)
        if (s->start[c + 1] - s->start[c] > longest)
            longest = s->start[c + 1] - s->start[c];
    return (uint64_t)longest;
}

size_t sample_context(const struct sample *s, uint64_t row)
{
    size_t low = 0, high = s->contexts; /* start[low] <= row < start[high] */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if ((uint64_t)s->start[middle] <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}
