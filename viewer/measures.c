/* SPDX-License-Identifier: MIT */
#include "viewer/measures.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *name, *title, *about;
} legend[] = {
    {"features", "features led",
     "features whose largest share on the data is this head's"},
    {"activations", "activations led",
     "the part of the layer's activations that these features make"},
    {"mean_share", "mean share",
     "this head's share of the features it leads, on average"},
    {"majority", "features with most",
     "features of which at least half comes through this head"},
};

void measures_fill(struct measures *heads, double *total,
                   const struct catalog_feature *features,
                   const struct catalog_sae *sae)
{
    memset(heads, 0, (size_t)sae->heads * sizeof *heads);
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
}

void measures_put_legend(struct call *c, json_t *array)
{
    for (size_t i = 0; i < sizeof legend / sizeof *legend; i++) {
        json_t *object = call_add_object(c, array);
        call_put_text(c, object, "name", legend[i].name);
        call_put_text(c, object, "title", legend[i].title);
        call_put_text(c, object, "about", legend[i].about);
    }
}
