/* SPDX-License-Identifier: MIT */
#include "lens/source_examples.h"

#include <stdbool.h>

int source_examples_open(struct source_examples *x, int heads,
                         const struct source_place *places, struct err *e)
{
    *x = (struct source_examples){.heads = heads, .places = places};
    return arena_get(&x->arena, &x->found, SOURCES_BLOCK * (size_t)heads,
                     sizeof *x->found, "sources of examples", e);
}

void source_examples_close(struct source_examples *x)
{
    arena_free(&x->arena);
    *x = (struct source_examples){0};
}

static void offer(struct source_head *h, float contribution, uint32_t source)
{
    if (contribution <= h->best[SOURCES_OF_HEAD - 1].contribution)
        return;
    int at = SOURCES_OF_HEAD - 1;
    for (; at > 0 && contribution > h->best[at - 1].contribution; at--)
        h->best[at] = h->best[at - 1];
    h->best[at].contribution = contribution;
    h->best[at].source = source;
}

static void look_at_head(void *ctx, size_t slot,
                         const struct source_point *point, int head,
                         const float *dfa)
{
    struct source_examples *x = ctx;
    struct source_head h = {0};
    for (uint32_t src = 0; src <= point->destination; src++)
        if (dfa[src] > 0) {
            h.sum += (double)dfa[src];
            offer(&h, dfa[src], src);
        }
    x->found[slot * (size_t)x->heads + (size_t)head] = h;
}

/* What is enough of a total, but never more than the strongest source has: what
 * is spread over a whole context has a source too. */
static double enough(double total, float strongest)
{
    double part = total / SOURCES_PART;
    return part < (double)strongest ? part : (double)strongest;
}

/* Those of a head that contribute at least so much. */
static void keep_head(struct source_examples *x,
                      const struct source_point *point, int head, double least)
{
    const struct source_head *h = &x->found[head];
    for (int i = 0; i < SOURCES_OF_HEAD; i++) {
        float contribution = h->best[i].contribution;
        if (contribution > 0 && (double)contribution >= least)
            source_found_row(x->out, (struct source_row){
                                         .place = point->id,
                                         .source = x->first + h->best[i].source,
                                         .contribution = contribution,
                                         .head = (uint8_t)head,
                                         .rank = (uint8_t)(i + 1)});
    }
}

static void keep_block(void *ctx, const struct source_point *points, size_t n)
{
    struct source_examples *x = ctx;
    struct source_head *block = x->found;
    for (size_t i = 0; i < n; i++, x->found += x->heads) {
        const struct source_place *place = &x->places[points[i].id];
        double total = 0;
        float strongest = 0;
        for (int h = 0; h < x->heads; h++) {
            float best = x->found[h].best[0].contribution;
            total += x->found[h].sum;
            strongest = best > strongest ? best : strongest;
        }
        for (int h = 0; h < x->heads; h++) {
            bool own = (place->heads >> h & 1) != 0;
            if (own || place->example)
                keep_head(x, &points[i], h,
                          own ? enough(x->found[h].sum,
                                       x->found[h].best[0].contribution)
                              : enough(total, strongest));
        }
    }
    x->found = block;
}

struct source_visitor source_examples_visitor(struct source_examples *x,
                                              struct source_found *out,
                                              uint32_t first)
{
    x->out = out;
    x->first = first;
    return (struct source_visitor){look_at_head, keep_block, x};
}
