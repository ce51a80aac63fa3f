/* SPDX-License-Identifier: MIT */
#include "viewer/measures.h"

#include <math.h>

/* unit: how its figures are to be written. */
static const struct {
    const char *name, *title, *unit, *about;
} legend[] = {
    {"features", "features led", "count",
     "features whose largest share on the data is this head's"},
    {"activations", "activations led", "share",
     "the part of the layer's activations that these features make"},
    {"mean_share", "mean share", "share",
     "this head's share of the features it leads, on average"},
    {"majority", "features with most", "count",
     "features of which at least half comes through this head"},
    {"fvu", "FVU", "share",
     "the fraction of variance unexplained of the head's part of the input"},
    {"held_out_fvu", "held-out FVU", "share",
     "the same on tokens that did not train, as the trainer recorded it"},
    {"code_entropy", "code entropy", "bits",
     "of its codes in the sample: 0 is one code alone"},
    {"effective_groups", "groups", "number",
     "groups of related features, as many as equally frequent ones would be: "
     "how many things the head does"},
};

void measures_fill(struct measures *heads, double *total,
                   const struct catalog_feature *features,
                   const struct catalog_sae *sae)
{
    for (int h = 0; h < sae->heads; h++)
        heads[h] = (struct measures){.fvu = NAN,
                                     .held_out_fvu = NAN,
                                     .code_entropy = NAN,
                                     .groups = NAN};
    *total = 0;
    for (size_t i = sae->first; i < sae->first + sae->n; i++) {
        const struct catalog_feature *f = &features[i];
        *total += (double)f->fires;
        if (f->top_head < 0)
            continue;
        struct measures *m = &heads[f->top_head];
        m->features++;
        m->majority += f->top_share >= 0.5;
        m->activations += (double)f->fires;
        m->share_sum += isnan(f->top_share) ? 0 : f->top_share;
    }
}

int measures_read(struct measures *heads, struct call *c,
                  const struct catalog_sae *sae)
{
    struct query q = query_begin(c->queries, QUERY_HEADS);
    query_bind(&q, sae->id);
    while (query_next(&q)) {
        int64_t head = query_int(&q, HEADS_HEAD);
        if (head < 0 || head >= sae->heads)
            continue;
        heads[head].fvu = query_real(&q, HEADS_FVU);
        heads[head].held_out_fvu = query_real(&q, HEADS_HELD_OUT_FVU);
        heads[head].code_entropy = query_real(&q, HEADS_CODE_ENTROPY);
        heads[head].groups = query_real(&q, HEADS_EFFECTIVE_GROUPS);
    }
    return query_end(&q, c->e);
}

void measures_put(struct call *c, json_t *object, const struct measures *m,
                  double total)
{
    call_put_int(c, object, legend[0].name, m->features);
    call_put_real(c, object, legend[1].name,
                  total > 0 ? m->activations / total : 0);
    call_put_real(c, object, legend[2].name,
                  m->features > 0 ? m->share_sum / (double)m->features
                                  : (double)NAN);
    call_put_int(c, object, legend[3].name, m->majority);
    call_put_real(c, object, legend[4].name, m->fvu);
    call_put_real(c, object, legend[5].name, m->held_out_fvu);
    call_put_real(c, object, legend[6].name, m->code_entropy);
    call_put_real(c, object, legend[7].name, m->groups);
}

void measures_put_legend(struct call *c, json_t *array)
{
    for (size_t i = 0; i < sizeof legend / sizeof *legend; i++) {
        json_t *object = call_add_object(c, array);
        call_put_text(c, object, "name", legend[i].name);
        call_put_text(c, object, "title", legend[i].title);
        call_put_text(c, object, "unit", legend[i].unit);
        call_put_text(c, object, "about", legend[i].about);
    }
}
