/* SPDX-License-Identifier: MIT */
#include "encode/silent.h"

#include <stdlib.h>

#include "base/rng.h"

static int by_token(const void *left, const void *right)
{
    const struct silent_draw *a = left, *b = right;
    if (a->token != b->token)
        return a->token < b->token ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

int silent_init(struct silent *s, size_t m, uint64_t tokens, size_t limit,
                uint64_t seed, struct err *e)
{
    /* Half of 3n + 17 is n + 3.6 standard deviations at n = 5, the more above
     * it the larger n is. */
    *s = (struct silent){.draws = 3 * limit + 17};
    static const char what[] = "silent examples";
    int code =
        arena_get(&s->arena, &s->draw, m * s->draws, sizeof *s->draw, what, e);
    if (code == 0)
        code = arena_get(&s->arena, &s->next, m, sizeof *s->next, what, e);
    if (code != 0) {
        silent_free(s);
        return code;
    }
    for (size_t f = 0; f < m; f++) {
        struct silent_draw *draw = s->draw + f * s->draws;
        struct rng r = rng_at(seed, RNG_SILENT, (uint32_t)f);
        for (size_t i = 0; i < s->draws; i++)
            draw[i] = (struct silent_draw){
                .token = (uint32_t)rng_below(&r, tokens), .order = (uint16_t)i};
        qsort(draw, s->draws, sizeof *draw, by_token);
    }
    return 0;
}

void silent_free(struct silent *s)
{
    arena_free(&s->arena);
    *s = (struct silent){0};
}

void silent_active(struct silent *s, size_t feature, uint32_t token)
{
    struct silent_draw *draw = s->draw + feature * s->draws;
    uint16_t *next = &s->next[feature];
    while (*next < s->draws && draw[*next].token <= token) {
        draw[*next].active = draw[*next].token == token;
        (*next)++;
    }
}
