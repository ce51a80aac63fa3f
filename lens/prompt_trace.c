/* SPDX-License-Identifier: MIT
 *
 * Recursive DFA. A step goes from a direction w in a head's z at a destination
 * to what that head takes from a source,
 *
 *     term = A[dst, src]·(v[src]·w),  v = LN(r)·W_V + b_V
 *
 * which is linear in the stream r at the source once A and LN's scale are taken
 * as they are: (A·W_V·w) goes through the LayerNorm to a direction u in r
 * (lens/readout.h). What a head of a layer below gives there is z_h·(W_O[h]·u),
 * so that the next step's w is W_O[h]·u.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lens/edits.h"
#include "lens/prompt_feature.h"
#include "lens/prompt_parts.h"
#include "lens/prompt_text.h"

/* "LayerNorm bias" is β·n, "value bias" b_V·w. */
enum { NORM_BIAS, VALUE_BIAS, CONSTANTS };

struct step {
    int layer, head;
    size_t source;
    double term;
};

/* Where a trace stands. */
struct trace {
    struct prompt_run *run;
    struct prompt_feature start;
    size_t destination;
    double *w;      /* (d_head) of the step to be made */
    double *n;      /* (d) of the input of W_V */
    double *u;      /* (d) of the stream */
    double *terms;  /* (tokens) */
    float *pattern; /* (tokens) */
    struct prompt_constant constant[CONSTANTS];
    struct readout readout; /* at the last step's source */
    struct step *step;      /* [steps] */
    size_t steps;
    struct arena arena;
};

/* ---- the path ---- */

/* One word, "L2H3@4". */
static int read_step(struct step *out, const struct trace *t, const char *word,
                     struct err *e)
{
    const struct step *before = t->steps > 0 ? &t->step[t->steps - 1] : NULL;
    struct edit at;
    TRY(edits_parse(&at, word, &t->run->lens->model.gpt2.config, e));
    if (at.head < 0 || at.everywhere)
        return err_set(e, ERR_INPUT,
                       "%s: a step is a head and a source, as L2H3@4", word);
    TRY(prompt_text_position(&out->source, t->run, at.position, e));
    out->layer = at.layer;
    out->head = at.head;
    if (before == NULL && at.layer != t->start.layer)
        return err_set(e, ERR_INPUT,
                       "%s: the first step is a head of the feature's layer %d",
                       word, t->start.layer);
    if (before != NULL && at.layer >= before->layer)
        return err_set(e, ERR_INPUT,
                       "%s: a step behind one of layer %d is a head of a layer "
                       "below",
                       word, before->layer);
    if (out->source > t->destination)
        return err_set(e, ERR_INPUT,
                       "%s: the source stands behind token %zu, where the head "
                       "writes",
                       word, t->destination);
    return 0;
}

/* The largest term of the feature. */
static void choose_first(struct step *out, struct trace *t)
{
    double most = -INFINITY;
    for (int h = 0; h < t->run->lens->model.gpt2.config.heads; h++) {
        prompt_feature_sources(t->terms, t->w, t->pattern, t->run, &t->start,
                               h);
        for (size_t src = 0; src <= t->start.position; src++)
            if (t->terms[src] > most) {
                most = t->terms[src];
                *out = (struct step){t->start.layer, h, src, most};
            }
    }
}

/* ---- a step ---- */

/* w of the head: of the feature's encoder, or what the stream behind it makes
 * of the head's z. */
static void aim(struct trace *t, const struct step *step)
{
    size_t d_head = (size_t)t->run->lens->model.gpt2.config.d_head;
    size_t at = (size_t)step->head * d_head;
    const double *along = t->readout.along;
    for (size_t i = 0; i < d_head; i++)
        t->w[i] = t->steps == 0
                      ? (double)t->start.w_enc[at + i]
                      : along[(size_t)step->layer * t->run->d + at + i];
}

static int make_step(struct trace *t, struct step *step, struct err *e)
{
    const struct prompt_run *run = t->run;
    const struct gpt2_config *c = &run->lens->model.gpt2.config;
    const struct gpt2_layer *layer = &run->lens->model.gpt2.layer[step->layer];
    const struct linear *qkv = &layer->c_attn;
    size_t d_head = (size_t)c->d_head, d = run->d;
    size_t column = 2 * d + (size_t)step->head * d_head;
    aim(t, step);
    readout_sources(t->terms, t->pattern, run, step->layer, step->head,
                    t->destination, t->w);
    step->term = t->terms[step->source];
    for (size_t i = 0; i < d_head; i++)
        t->w[i] *= (double)t->pattern[step->source];
    for (size_t i = 0; i < d; i++)
        t->n[i] = readout_dot(qkv->weight + i * 3 * d + column, t->w, d_head);
    t->constant[VALUE_BIAS] = (struct prompt_constant){
        "value bias", readout_dot(qkv->bias + column, t->w, d_head)};
    t->constant[NORM_BIAS].name = "LayerNorm bias";
    readout_through_norm(t->u, &t->constant[NORM_BIAS].value, t->n,
                         prompt_stage(run, 2 * step->layer, step->source),
                         &layer->ln_1, c);
    TRY(readout_find(&t->readout, run, step->layer, step->source, t->u,
                     &t->arena, e));
    t->destination = step->source;
    t->step[t->steps++] = *step;
    return 0;
}

/* Steps of "L2H3@4 L1H0@2". */
static int follow(struct trace *t, const char *path,
                  const struct prompt_stop *stop, struct err *e)
{
    char *words, *rest, *word;
    struct step step;
    TRY(arena_string(&t->arena, &words, path, e));
    for (word = strtok_r(words, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        if (prompt_stops(stop))
            return prompt_stopped(e);
        TRY(read_step(&step, t, word, e));
        TRY(make_step(t, &step, e));
    }
    if (t->steps == 0)
        return err_set(e, ERR_INPUT, "the path has no step");
    return 0;
}

/* ---- answers ---- */

static int get_room(struct trace *t, struct err *e)
{
    const struct gpt2_config *c = &t->run->lens->model.gpt2.config;
    struct arena *a = &t->arena;
    static const char what[] = "a trace";
    TRY(arena_get(a, &t->w, (size_t)c->d_head, sizeof *t->w, what, e));
    TRY(arena_get(a, &t->n, t->run->d, sizeof *t->n, what, e));
    TRY(arena_get(a, &t->u, t->run->d, sizeof *t->u, what, e));
    TRY(arena_get(a, &t->terms, t->run->n, sizeof *t->terms, what, e));
    TRY(arena_get(a, &t->pattern, t->run->n, sizeof *t->pattern, what, e));
    return arena_get(a, &t->step, (size_t)c->layers, sizeof *t->step, what, e);
}

static json_t *path_json(const struct trace *t)
{
    json_t *path = json_array();
    for (size_t i = 0; i < t->steps; i++) {
        const struct step *s = &t->step[i];
        (void)json_array_append_new(
            path, json_pack("{s:i, s:i, s:I, s:f}", "layer", s->layer, "head",
                            s->head, "source", (json_int_t)s->source, "term",
                            s->term));
    }
    return path;
}

static int answer(json_t **out, struct trace *t,
                  const struct prompt_question *q, struct err *e)
{
    struct step first;
    TRY(get_room(t, e));
    if (q->path != NULL) {
        TRY(follow(t, q->path, &q->stop, e));
    } else {
        choose_first(&first, t);
        TRY(make_step(t, &first, e));
    }
    const struct prompt_parts parts = {.readout = &t->readout,
                                       .position = t->destination,
                                       .constant = t->constant,
                                       .n_constants = CONSTANTS,
                                       .top = q->top};
    json_t *object = json_pack(
        "{s:i, s:I, s:I, s:f, s:o, s:f}", "layer", t->start.layer, "feature",
        (json_int_t)t->start.feature, "position", (json_int_t)t->start.position,
        "activation", t->start.activation, "path", path_json(t), "term",
        t->step[t->steps - 1].term);
    if (object == NULL)
        return err_memory(e, "an answer", 0);
    int code = prompt_parts_add(object, &parts, t->run, e);
    if (code != 0)
        json_decref(object);
    else
        *out = object;
    return code;
}

int prompt_trace(json_t **out, struct prompt_run *run,
                 const struct prompt_question *q, struct err *e)
{
    struct trace t = {.run = run};
    TRY(prompt_feature_read(&t.start, run, q->feature, e));
    t.destination = t.start.position;
    int code = answer(out, &t, q, e);
    arena_free(&t.arena);
    return code;
}
