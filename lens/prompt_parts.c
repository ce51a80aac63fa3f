/* SPDX-License-Identifier: MIT */
#include "lens/prompt_parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/least.h"

/* One line of a list; -1: none. */
struct part {
    char name[48];
    double value;
    int layer, head;
    int64_t feature;
};

struct list {
    struct part *part;
    size_t n;
};

static int largest_first(const void *left, const void *right)
{
    const struct part *a = left, *b = right;
    double x = fabs(a->value), y = fabs(b->value);
    return x != y ? (x > y ? -1 : 1) : strcmp(a->name, b->name);
}

static struct part *add(struct list *list, double value, int layer)
{
    struct part *p = &list->part[list->n++];
    *p = (struct part){
        .value = value, .layer = layer, .head = -1, .feature = -1};
    return p;
}

static void add_named(struct list *list, double value, int layer,
                      const char *name)
{
    struct part *p = add(list, value, layer);
    if (layer < 0)
        (void)snprintf(p->name, sizeof p->name, "%s", name);
    else
        (void)snprintf(p->name, sizeof p->name, "L%d %s", layer, name);
}

static void list_parts(struct list *list, const struct prompt_parts *p)
{
    const struct readout *r = p->readout;
    add_named(list, r->token, -1, "token embedding");
    add_named(list, r->position, -1, "position embedding");
    for (size_t i = 0; i < p->n_constants; i++)
        add_named(list, p->constant[i].value, -1, p->constant[i].name);
    for (int l = 0; l < r->layers; l++) {
        for (int h = 0; h < r->heads; h++) {
            struct part *head = add(list, r->head[l * r->heads + h], l);
            head->head = h;
            (void)snprintf(head->name, sizeof head->name, "L%dH%d", l, h);
        }
        add_named(list, r->bias[l], l, "output bias");
        add_named(list, r->mlp[l], l, "MLP");
    }
}

static void list_features(struct list *list, const struct readout *r,
                          const struct saes *saes)
{
    for (int l = 0; l < r->layers; l++)
        if (saes_has(saes, l)) {
            add_named(list, r->b_dec[l], l, "b_dec");
            add_named(list, r->error[l], l, "error of the SAE");
        }
    for (size_t i = 0; i < r->n_features; i++) {
        const struct readout_feature *f = &r->feature[i];
        struct part *p = add(list, f->value, f->layer);
        p->feature = f->feature;
        (void)snprintf(p->name, sizeof p->name, "L%dF%" PRIu32, f->layer,
                       f->feature);
    }
}

/* ---- answers ---- */

/* Memory to find where heads take from. */
struct room {
    float *pattern;
    double *terms;
};

/* The source of most of the head's part. */
static int add_source(json_t *object, const struct part *part,
                      const struct prompt_parts *p,
                      const struct prompt_run *run, const struct room *room)
{
    size_t d_head = (size_t)run->lens->model.gpt2.config.d_head, most = 0;
    const double *w = p->readout->along + (size_t)part->layer * run->d +
                      (size_t)part->head * d_head;
    readout_sources(room->terms, room->pattern, run, part->layer, part->head,
                    p->position, w);
    for (size_t i = 1; i <= p->position; i++)
        if (fabs(room->terms[i]) > fabs(room->terms[most]))
            most = i;
    return json_object_set_new(object, "source",
                               json_integer((json_int_t)most)) |
           json_object_set_new(object, "source_value",
                               json_real(room->terms[most]));
}

static int append(json_t *array, const struct part *part,
                  const struct prompt_parts *p, const struct prompt_run *run,
                  const struct room *room)
{
    json_t *object =
        json_pack("{s:s, s:f}", "part", part->name, "value", part->value);
    if (object == NULL)
        return -1;
    int bad = 0;
    if (part->layer >= 0)
        bad |= json_object_set_new(object, "layer", json_integer(part->layer));
    if (part->feature >= 0)
        bad |= json_object_set_new(object, "feature",
                                   json_integer((json_int_t)part->feature));
    if (part->head >= 0) {
        bad |= json_object_set_new(object, "head", json_integer(part->head));
        bad |= add_source(object, part, p, run, room);
    }
    return bad | json_array_append_new(array, object);
}

static int add_list(json_t *object, const char *name, struct list *list,
                    const struct prompt_parts *p, const struct prompt_run *run,
                    const struct room *room)
{
    char total[32];
    json_t *array = json_array();
    int bad = 0;
    qsort(list->part, list->n, sizeof *list->part, largest_first);
    for (size_t i = 0; i < least(list->n, p->top); i++)
        bad |= append(array, &list->part[i], p, run, room);
    (void)snprintf(total, sizeof total, "%s_total", name);
    bad |= json_object_set_new(object, name, array);
    return bad | json_object_set_new(object, total,
                                     json_integer((json_int_t)list->n));
}

static int add_both(json_t *object, const struct prompt_parts *p,
                    const struct prompt_run *run, struct arena *arena,
                    struct err *e)
{
    const struct readout *r = p->readout;
    size_t layers = (size_t)r->layers, heads = (size_t)r->heads;
    struct list parts = {0}, features = {0};
    struct room room;
    TRY(arena_get(arena, &parts.part, 2 + p->n_constants + layers * (heads + 2),
                  sizeof *parts.part, "parts", e));
    TRY(arena_get(arena, &features.part, 2 * layers + r->n_features,
                  sizeof *features.part, "parts", e));
    TRY(arena_get(arena, &room.pattern, run->n, sizeof *room.pattern, "parts",
                  e));
    TRY(arena_get(arena, &room.terms, run->n, sizeof *room.terms, "parts", e));
    list_parts(&parts, p);
    list_features(&features, r, &run->lens->saes);
    double sum = r->sum;
    for (size_t i = 0; i < p->n_constants; i++)
        sum += p->constant[i].value;
    int bad = json_object_set_new(object, "sum", json_real(sum));
    bad |= add_list(object, "parts", &parts, p, run, &room);
    bad |= add_list(object, "features", &features, p, run, &room);
    return bad != 0 ? err_memory(e, "an answer", 0) : 0;
}

int prompt_parts_add(json_t *object, const struct prompt_parts *parts,
                     const struct prompt_run *run, struct err *e)
{
    struct arena arena = {0};
    int code = add_both(object, parts, run, &arena, e);
    arena_free(&arena);
    return code;
}
