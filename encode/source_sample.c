/* SPDX-License-Identifier: MIT */
#include "encode/source_sample.h"

#include <stdlib.h>
#include <string.h>

/* What every step-th context of the sample has. */
struct size {
    size_t contexts, tokens;
};

static struct size size_of(const struct sample *sample, uint64_t step)
{
    struct size size = {0};
    uint64_t seen = 0;
    for (size_t c = 0; c < sample->contexts; c++)
        if (sample->in[c] && seen++ % step == 0) {
            size.contexts++;
            size.tokens += (size_t)(sample->start[c + 1] - sample->start[c]);
        }
    return size;
}

int source_sample_init(struct source_sample *s, const struct sample *sample,
                       struct err *e)
{
    static const char what[] = "codes of contexts";
    *s = (struct source_sample){.sample = sample};
    if (sample == NULL)
        return 0;
    s->step = (sample->tokens + SOURCE_TOKENS - 1) / SOURCE_TOKENS;
    if (s->step == 0)
        s->step = 1;
    struct size size = size_of(sample, s->step);
    while (size.tokens > SOURCE_TOKENS && size.contexts > 1)
        size = size_of(sample, ++s->step);
    int code = arena_get(&s->arena, &s->context, size.contexts,
                         sizeof *s->context, what, e);
    if (code == 0)
        code = arena_get(&s->arena, &s->first, size.contexts + 1,
                         sizeof *s->first, what, e);
    if (code == 0)
        code = arena_get(&s->arena, &s->start, size.tokens + 1,
                         sizeof *s->start, what, e);
    if (code != 0)
        source_sample_free(s);
    return code;
}

void source_sample_free(struct source_sample *s)
{
    free(s->feature);
    arena_free(&s->arena);
    *s = (struct source_sample){0};
}

/* Drops every second context: those left are every 2·step-th. */
static void thin(struct source_sample *s)
{
    size_t kept = 0, tokens = 0, end = 0;
    for (size_t c = 0; c < s->contexts; c += 2) {
        s->context[kept] = s->context[c];
        size_t first = s->first[c], next = s->first[c + 1];
        s->first[kept++] = tokens;
        for (size_t t = first; t < next; t++) {
            size_t from = s->start[t], k = s->start[t + 1] - from;
            memmove(s->feature + end, s->feature + from,
                    k * sizeof *s->feature);
            s->start[tokens++] = end;
            end += k;
        }
    }
    s->contexts = kept;
    s->tokens = tokens;
    s->first[kept] = tokens;
    s->start[tokens] = end;
    s->step *= 2;
}

static void begin_context(struct source_sample *s, size_t context)
{
    s->current = context + 1;
    s->taking = false;
    if (!s->sample->in[context])
        return;
    while (s->start[s->tokens] > SOURCE_ACTIVATIONS && s->contexts > 1)
        thin(s);
    s->taking = s->seen++ % s->step == 0;
    if (s->taking)
        s->context[s->contexts++] = context;
}

static int have_room(struct source_sample *s, size_t k, struct err *e)
{
    size_t needed = s->start[s->tokens] + k;
    if (needed <= s->capacity)
        return 0;
    size_t capacity = needed + needed / 2 + 4096;
    uint32_t *feature = realloc(s->feature, capacity * sizeof *feature);
    if (feature == NULL)
        return err_memory(e, "codes of contexts", capacity * sizeof *feature);
    s->feature = feature;
    s->capacity = capacity;
    return 0;
}

static int take(struct source_sample *s, const uint32_t *feature, size_t k,
                struct err *e)
{
    TRY(have_room(s, k, e));
    size_t first = s->start[s->tokens];
    memcpy(s->feature + first, feature, k * sizeof *feature);
    s->start[++s->tokens] = first + k;
    s->first[s->contexts] = s->tokens;
    return 0;
}

int source_sample_add(struct source_sample *s, const struct chunk *c,
                      struct err *e)
{
    for (size_t r = 0; s->sample != NULL && r < c->n; r++) {
        size_t first = c->codes.start[r];
        if (s->current != (size_t)c->context[r] + 1)
            begin_context(s, c->context[r]);
        if (s->taking)
            TRY(take(s, c->codes.feature + first, c->codes.start[r + 1] - first,
                     e));
    }
    return 0;
}
