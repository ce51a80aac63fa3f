/* SPDX-License-Identifier: MIT
 *
 * The features of a run: all that are active, and one taken apart.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/least.h"
#include "lens/prompt_feature.h"
#include "lens/prompt_text.h"
#include "lens/sources.h"

/* ---- tokens ---- */

int prompt_tokens(json_t **out, struct prompt_run *run,
                  const struct prompt_question *q, struct err *e)
{
    (void)q;
    const struct saes *saes = &run->lens->saes;
    json_t *tokens = json_array(), *layers = json_array();
    int bad = 0;
    for (size_t i = 0; i < run->n; i++) {
        json_t *token = prompt_text_json(run->lens, run->ids.ids[i]);
        bad |= json_object_set_new(token, "surprise",
                                   i == 0 ? json_null()
                                          : json_real(run->surprise[i]));
        bad |= json_array_append_new(tokens, token);
    }
    for (int l = 0; l < saes->layers; l++)
        if (saes_has(saes, l))
            bad |= json_array_append_new(layers, json_integer(l));
    *out = json_pack("{s:o, s:i, s:o}", "tokens", tokens, "layers",
                     saes->layers, "saes", layers);
    if (*out == NULL || bad != 0) {
        json_decref(*out);
        return err_memory(e, "an answer", 0);
    }
    return 0;
}

/* ---- all that are active ---- */

/* One active feature at one token. */
struct active {
    uint32_t feature;
    size_t position;
    float activation;
    float *dfa;       /* (heads) */
    float *by_source; /* (position + 1) Σ over heads, until `source` is known */
    size_t source;
};

/* A layer's, an item of the team. */
struct layer {
    const struct prompt_run *run;
    const struct prompt_stop *stop;
    int layer;
    size_t top;
    struct active *active; /* [n] by position, largest activation first */
    size_t n;
    struct active **by_feature; /* [n] */
    struct active **block;      /* of sources_walk */
    float *by_source;           /* (SOURCES_BLOCK, tokens) */
    struct source_point *point; /* [n] */
    struct arena arena;
    struct err e;
};

static int strongest_first(const void *left, const void *right)
{
    const struct active *a = left, *b = right;
    if (a->activation != b->activation)
        return a->activation > b->activation ? -1 : 1;
    return a->feature < b->feature ? -1 : 1;
}

static int by_feature(const void *left, const void *right)
{
    const struct active *a = *(struct active *const *)left;
    const struct active *b = *(struct active *const *)right;
    if (a->feature != b->feature)
        return a->feature < b->feature ? -1 : 1;
    return a->position < b->position ? -1 : a->position > b->position;
}

/* The strongest of each token. `all` has room for the most of one token. */
static void choose(struct layer *y, struct active *all)
{
    const struct codes *c = &y->run->codes[y->layer];
    for (size_t t = 0; t < y->run->n; t++) {
        size_t n = c->start[t + 1] - c->start[t];
        for (size_t i = 0; i < n; i++)
            all[i] = (struct active){.feature = c->feature[c->start[t] + i],
                                     .position = t,
                                     .activation = c->value[c->start[t] + i]};
        qsort(all, n, sizeof *all, strongest_first);
        n = least(n, y->top);
        memcpy(y->active + y->n, all, n * sizeof *all);
        y->n += n;
    }
}

static void add_head(void *ctx, size_t slot, const struct source_point *point,
                     int head, const float *dfa)
{
    struct layer *y = ctx;
    struct active *a = y->by_feature[point->id];
    size_t n = a->position + 1;
    if (head == 0) {
        a->by_source = y->by_source + slot * y->run->n;
        memset(a->by_source, 0, n * sizeof *a->by_source);
    }
    for (size_t i = 0; i < n; i++)
        a->by_source[i] += dfa[i];
}

static void end_block(void *ctx, const struct source_point *points, size_t n)
{
    struct layer *y = ctx;
    for (size_t i = 0; i < n; i++) {
        struct active *a = y->by_feature[points[i].id];
        for (size_t src = 1; src <= a->position; src++)
            if (a->by_source[src] > a->by_source[a->source])
                a->source = src;
        a->by_source = NULL;
    }
}

static int get_room(struct layer *y, struct active **all, struct err *e)
{
    const struct codes *c = &y->run->codes[y->layer];
    size_t n = 0, most = 0;
    for (size_t t = 0; t < y->run->n; t++) {
        size_t here = c->start[t + 1] - c->start[t];
        most = here > most ? here : most;
        n += least(here, y->top);
    }
    struct arena *a = &y->arena;
    TRY(arena_get(a, all, most, sizeof **all, "features", e));
    TRY(arena_get(a, &y->active, n, sizeof *y->active, "features", e));
    TRY(arena_get(a, &y->by_feature, n, sizeof *y->by_feature, "features", e));
    TRY(arena_get(a, &y->point, n, sizeof *y->point, "features", e));
    return arena_get(a, &y->by_source, SOURCES_BLOCK * y->run->n,
                     sizeof *y->by_source, "features", e);
}

static int attribute(struct layer *y, struct err *e)
{
    const struct prompt_lens *lens = y->run->lens;
    const struct sae *sae = &lens->saes.sae[y->layer];
    int heads = lens->model.gpt2.config.heads;
    float *dfa;
    TRY(arena_get(&y->arena, &dfa, y->n * (size_t)heads, sizeof *dfa,
                  "attributions", e));
    for (size_t i = 0; i < y->n; i++) {
        struct active *a = &y->active[i];
        a->dfa = dfa + i * (size_t)heads;
        sae_attribute(sae, lens->offsets[y->layer],
                      y->run->z[y->layer] + a->position * y->run->d, a->feature,
                      heads, a->dfa);
        y->by_feature[i] = a;
    }
    qsort(y->by_feature, y->n, sizeof *y->by_feature, by_feature);
    for (size_t i = 0; i < y->n; i++)
        y->point[i] = (struct source_point){
            y->by_feature[i]->feature, (uint32_t)y->by_feature[i]->position,
            (uint32_t)i};
    return 0;
}

static int read_layer(struct layer *y, struct err *e)
{
    const struct prompt_run *run = y->run;
    struct active *all;
    struct sources sources;
    const struct source_visitor visitor = {add_head, end_block, y};
    if (prompt_stops(y->stop))
        return prompt_stopped(e);
    TRY(get_room(y, &all, e));
    choose(y, all);
    TRY(attribute(y, e));
    TRY(sources_open(&sources, &run->lens->model.gpt2.config,
                     &run->lens->saes.sae[y->layer], run->n, e));
    sources_walk(&sources, run->qkv[y->layer], run->n, y->point, y->n,
                 &visitor);
    sources_close(&sources);
    return 0;
}

static void read_item(void *ctx, size_t item, int thread)
{
    (void)thread;
    struct layer *y = (struct layer *)ctx + item;
    if (saes_has(&y->run->lens->saes, y->layer))
        (void)read_layer(y, &y->e);
}

static json_t *active_json(const struct layer *y, const struct active *a)
{
    int heads = y->run->lens->model.gpt2.config.heads, head = 0;
    double sum = 0;
    json_t *shares = json_array();
    for (int h = 0; h < heads; h++) {
        sum += fmax((double)a->dfa[h], 0);
        head = a->dfa[h] > a->dfa[head] ? h : head;
    }
    for (int h = 0; h < heads; h++)
        (void)json_array_append_new(
            shares, json_real(sum > 0 ? fmax((double)a->dfa[h], 0) / sum : 0));
    double share = sum > 0 ? fmax((double)a->dfa[head], 0) / sum : 0;
    return json_pack("{s:i, s:I, s:I, s:f, s:i, s:f, s:I, s:o}", "layer",
                     y->layer, "feature", (json_int_t)a->feature, "position",
                     (json_int_t)a->position, "activation",
                     (double)a->activation, "head", head, "share", share,
                     "source", (json_int_t)a->source, "shares", shares);
}

/* By position, then by layer. */
static int list_active(json_t **out, const struct layer *layer, int layers,
                       const struct prompt_run *run, struct err *e)
{
    json_t *list = json_array();
    size_t total = 0, *at = calloc((size_t)layers, sizeof *at);
    int bad = at == NULL;
    for (size_t t = 0; bad == 0 && t < run->n; t++)
        for (int l = 0; l < layers; l++)
            for (; at[l] < layer[l].n && layer[l].active[at[l]].position == t;
                 at[l]++)
                bad |= json_array_append_new(
                    list, active_json(&layer[l], &layer[l].active[at[l]]));
    free(at);
    for (int l = 0; l < layers; l++)
        if (saes_has(&run->lens->saes, l))
            total += run->codes[l].start[run->n];
    *out = json_pack("{s:i, s:I, s:o}", "heads",
                     run->lens->model.gpt2.config.heads, "active",
                     (json_int_t)total, "features", list);
    if (*out == NULL || bad != 0) {
        json_decref(*out);
        return err_memory(e, "an answer", 0);
    }
    return 0;
}

int prompt_features(json_t **out, struct prompt_run *run,
                    const struct prompt_question *q, struct err *e)
{
    int layers = run->lens->saes.layers, code = 0;
    struct layer *layer = calloc((size_t)layers, sizeof *layer);
    if (layer == NULL)
        return err_memory(e, "features", (size_t)layers * sizeof *layer);
    for (int l = 0; l < layers; l++)
        layer[l] = (struct layer){
            .run = run, .stop = &q->stop, .layer = l, .top = q->top};
    team_run(&run->lens->team, read_item, layer, (size_t)layers);
    for (int l = 0; l < layers && code == 0; l++)
        if (layer[l].e.code != 0) {
            code = layer[l].e.code;
            if (e != NULL)
                *e = layer[l].e;
        }
    if (code == 0)
        code = list_active(out, layer, layers, run, e);
    for (int l = 0; l < layers; l++)
        arena_free(&layer[l].arena);
    free(layer);
    return code;
}
