/* SPDX-License-Identifier: MIT */
#include "encode/relations.h"

#include <stdio.h>

static int find(void *ctx, struct background *b, struct err *e)
{
    struct relations *r = ctx;
    struct scan *s = r->scan;
    const struct scan_input *in = &s->in;
    const uint64_t *fires = s->statistics.fires;
    TRY(pairs_find(&s->pairs, e));
    TRY(neighbours_find(&r->neighbours, in->sae, fires, b, e));
    return logits_find(&r->logits, in->sae, fires, in->dump, in->layer, b, e);
}

void relations_begin(struct relations *r, struct scan *s)
{
    *r = (struct relations){.scan = s};
    background_begin(&r->background, find, r, s->in.team->threads == 1);
}

int relations_write(struct relations *r, struct store_writer *w, struct err *e)
{
    const struct scan *s = r->scan;
    char what[128];
    (void)snprintf(what, sizeof what, "relate %.100s", s->in.sae->name);
    uint64_t alive = s->in.sae->m - metrics_dead(&s->metrics);
    uint64_t total = logits_possible(s->in.dump) ? 2 * alive : alive;
    TRY(background_wait(&r->background, what, "features", total, e));
    TRY(neighbours_write(&r->neighbours, w, e));
    TRY(pairs_write(&s->pairs, w, e));
    return logits_write(&r->logits, w, e);
}

void relations_end(struct relations *r)
{
    background_end(&r->background);
    neighbours_free(&r->neighbours);
    logits_free(&r->logits);
}
