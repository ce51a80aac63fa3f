/* SPDX-License-Identifier: MIT */
#include "lens/fidelity.h"

#include <math.h>
#include <string.h>

#include "lens/edits.h"
#include "lens/predictions.h"

/* What z becomes, beside being left alone. */
enum { SPLICED, ZERO, MEAN, KINDS };
static const enum edit_kind kinds[KINDS] = {EDIT_SPLICE, EDIT_ZERO, EDIT_MEAN};

/* A pass beside the clean one, from the first layer that it changes: the edits
 * [first, first + n) of `edits`. */
struct variant {
    int layer;
    size_t first, n;
};

/* At one layer begin at most the variants of that layer and those of all. */
enum { AT_ONCE = 2 * KINDS };

/* A thread's residual streams, (rows, d_model) each. */
struct streams {
    float *clean;          /* at the end */
    float *here;           /* clean, in front of the layer at hand */
    float *other[AT_ONCE]; /* of variants, at the end */
};

struct measuring {
    struct fidelity *f;
    const struct gpt2 *model;
    struct edit_sources sources;
    struct runner runner;
    struct edit *edit;       /* [n_edits] */
    struct variant *variant; /* [figures × KINDS] */
    size_t variants;
    struct predictions *predictions; /* [threads] */
    struct streams *streams;         /* [threads] */
    struct prediction_sums
        *slot; /* [slots × (variants + 1)], the clean one first */
    struct prediction_sums *total; /* [variants + 1] */
    struct arena arena;
};

/* ---- one group ---- */

/* Leaves in w->x what comes of the variant, begun at its layer with the stream
 * that is there. */
static int run_variant(struct measuring *q, const struct runner_group *g,
                       const struct variant *v, struct err *e)
{
    struct edits edits = {
        .from = &q->sources, .edit = q->edit + v->first, .n = v->n, .group = g};
    const struct gpt2_tap tap = {.edit = edits_apply, .ctx = &edits};
    gpt2_layers(q->model, g->workspace, &g->batch, &tap, v->layer,
                q->model->config.layers);
    if (edits.e.code != 0 && e != NULL)
        *e = edits.e;
    return edits.e.code;
}

/* All variants that begin at the layer, from streams->here. */
static int run_layer(struct measuring *q, const struct runner_group *g,
                     int layer, struct prediction_sums *sums, struct err *e)
{
    struct streams *s = &q->streams[g->thread];
    size_t bytes = gpt2_batch_rows(&g->batch) *
                   (size_t)q->model->config.d_model * sizeof(float);
    struct prediction_sums found[AT_ONCE] = {{0}};
    size_t number[AT_ONCE], n = 0;
    for (size_t v = 0; v < q->variants; v++) {
        if (q->variant[v].layer != layer)
            continue;
        memcpy(g->workspace->x, s->here, bytes);
        TRY(run_variant(q, g, &q->variant[v], e));
        memcpy(s->other[n], g->workspace->x, bytes);
        number[n++] = v;
    }
    predictions_compare(&q->predictions[g->thread], g, s->clean, s->other, n,
                        found);
    for (size_t i = 0; i < n; i++)
        sums[number[i]] = found[i];
    return 0;
}

/* The clean pass is made twice, the second time layer by layer, so that a
 * variant need not run the layers before its own. */
static int run_group(void *ctx, const struct runner_group *g, struct err *e)
{
    struct measuring *q = ctx;
    const struct gpt2_tap none = {.to_end = true};
    struct streams *s = &q->streams[g->thread];
    struct gpt2_workspace *w = g->workspace;
    size_t bytes = gpt2_batch_rows(&g->batch) *
                   (size_t)q->model->config.d_model * sizeof(float);
    struct prediction_sums *sums = q->slot + g->slot * (q->variants + 1);
    gpt2_forward(q->model, w, &g->batch, &none);
    memcpy(s->clean, w->x, bytes);
    sums[0].loss = predictions_loss(&q->predictions[g->thread], g, s->clean);
    gpt2_embed(q->model, w, &g->batch);
    for (int l = 0; l < q->model->config.layers; l++) {
        if (saes_has(q->sources.saes, l)) {
            memcpy(s->here, w->x, bytes);
            TRY(run_layer(q, g, l, sums + 1, e));
            memcpy(w->x, s->here, bytes);
        }
        gpt2_layers(q->model, w, &g->batch, &none, l, l + 1);
    }
    return 0;
}

static int add_group(void *ctx, const struct runner_group *g, struct err *e)
{
    (void)e;
    struct measuring *q = ctx;
    const struct prediction_sums *sums = q->slot + g->slot * (q->variants + 1);
    for (size_t v = 0; v <= q->variants; v++) {
        q->total[v].loss += sums[v].loss;
        q->total[v].kl += sums[v].kl;
    }
    return 0;
}

/* ---- what to run ---- */

/* The edits of one kind in one layer, or (-1) in all that have an SAE. */
static void add_variant(struct measuring *q, size_t *edits, int layer,
                        enum edit_kind kind)
{
    struct variant *v = &q->variant[q->variants++];
    v->first = *edits;
    for (int l = 0; l < q->model->config.layers; l++)
        if (saes_has(q->sources.saes, l) && (layer < 0 || l == layer))
            q->edit[(*edits)++] = (struct edit){.kind = kind,
                                                .layer = l,
                                                .head = -1,
                                                .feature = -1,
                                                .everywhere = true};
    v->n = *edits - v->first;
    v->layer = q->edit[v->first].layer;
}

static int plan(struct measuring *q, struct err *e)
{
    struct fidelity *f = q->f;
    size_t layers = 0, edits = 0;
    for (int l = 0; l < q->model->config.layers; l++)
        layers += saes_has(q->sources.saes, l);
    f->n = layers > 1 ? layers + 1 : layers;
    TRY(arena_get(&f->arena, &f->figures, f->n, sizeof *f->figures, "figures",
                  e));
    TRY(arena_get(&q->arena, &q->edit, 2 * KINDS * layers, sizeof *q->edit,
                  "edits", e));
    TRY(arena_get(&q->arena, &q->variant, KINDS * f->n, sizeof *q->variant,
                  "passes", e));
    size_t i = 0;
    for (int l = 0; l < q->model->config.layers; l++)
        if (saes_has(q->sources.saes, l))
            f->figures[i++].layer = l;
    if (layers > 1)
        f->figures[i].layer = -1;
    for (i = 0; i < f->n; i++)
        for (int k = 0; k < KINDS; k++)
            add_variant(q, &edits, f->figures[i].layer, kinds[k]);
    return 0;
}

static int get_room(struct measuring *q, struct err *e)
{
    const struct runner *r = &q->runner;
    size_t threads = (size_t)r->team->threads, sums = q->variants + 1;
    size_t rows = r->packing.rows;
    size_t row = (size_t)q->model->config.d_model * sizeof(float);
    TRY(arena_get(&q->arena, &q->slot, r->slots * sums, sizeof *q->slot, "sums",
                  e));
    TRY(arena_get(&q->arena, &q->total, sums, sizeof *q->total, "sums", e));
    TRY(arena_get(&q->arena, &q->streams, threads, sizeof *q->streams, "rows",
                  e));
    TRY(arena_get(&q->arena, &q->predictions, threads, sizeof *q->predictions,
                  "logits", e));
    for (size_t t = 0; t < threads; t++) {
        struct streams *s = &q->streams[t];
        TRY(arena_get(&q->arena, &s->clean, rows, row, "rows", e));
        TRY(arena_get(&q->arena, &s->here, rows, row, "rows", e));
        for (int i = 0; i < AT_ONCE; i++)
            TRY(arena_get(&q->arena, &s->other[i], rows, row, "rows", e));
        TRY(predictions_init(&q->predictions[t], q->model, &q->arena, e));
    }
    return 0;
}

/* ---- figures ---- */

static double recovered(double baseline, double spliced, double clean)
{
    return baseline > clean ? (baseline - spliced) / (baseline - clean)
                            : (double)NAN;
}

static void fill_figures(struct measuring *q)
{
    struct fidelity *f = q->f;
    double n = (double)f->tokens;
    f->clean = q->total[0].loss / n;
    for (size_t i = 0; i < f->n; i++) {
        const struct prediction_sums *sums = q->total + 1 + i * KINDS;
        struct fidelity_figures *out = &f->figures[i];
        out->spliced = sums[SPLICED].loss / n;
        out->zero = sums[ZERO].loss / n;
        out->mean = sums[MEAN].loss / n;
        out->kl = sums[SPLICED].kl / n;
        out->kl_zero = sums[ZERO].kl / n;
        out->kl_mean = sums[MEAN].kl / n;
        out->recovered_zero = recovered(out->zero, out->spliced, f->clean);
        out->recovered_mean = recovered(out->mean, out->spliced, f->clean);
    }
}

static int measure(struct measuring *q, const struct runner_contexts *contexts,
                   const struct team *team, struct err *e)
{
    struct fidelity *f = q->f;
    for (size_t k = 0; k < contexts->n; k++)
        f->tokens +=
            (uint64_t)(contexts->starts[k + 1] - contexts->starts[k] - 1);
    if (f->tokens == 0)
        return err_set(e, ERR_INPUT,
                       "the contexts are of single tokens, which predict "
                       "nothing");
    TRY(plan(q, e));
    TRY(runner_open(&q->runner, q->model, contexts, team, e));
    TRY(get_room(q, e));
    const struct runner_work work = {run_group, add_group, q};
    TRY(runner_each(&q->runner, &work, "fidelity", e));
    fill_figures(q);
    if (!isfinite(f->clean))
        return err_set(e, ERR_INPUT,
                       "the model's loss is not finite: its logits are beyond "
                       "float32");
    return 0;
}

int fidelity_measure(struct fidelity *f, const struct gpt2 *model,
                     const struct saes *saes,
                     const struct runner_contexts *contexts,
                     const struct team *team, struct err *e)
{
    *f = (struct fidelity){0};
    struct means means;
    const struct means_reference reference = {.contexts = *contexts};
    TRY(means_open(&means, model, &reference, team, e));
    struct measuring q = {
        .f = f,
        .model = model,
        .sources = {.config = &model->config, .saes = saes, .means = &means}};
    int code = measure(&q, contexts, team, e);
    runner_close(&q.runner);
    arena_free(&q.arena);
    means_close(&means);
    if (code != 0)
        fidelity_free(f);
    return code;
}

void fidelity_free(struct fidelity *f)
{
    arena_free(&f->arena);
    *f = (struct fidelity){0};
}
