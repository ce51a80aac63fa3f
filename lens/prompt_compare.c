/* SPDX-License-Identifier: MIT
 *
 * Two runs side by side: tokens aligned, and where z, features and the
 * prediction differ.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/least.h"
#include "lens/prompt_next.h"
#include "lens/prompt_text.h"

/* ---- alignment ---- */

/* Pairs of positions, both rising. */
struct pair {
    size_t here, there;
    bool same; /* the same token */
};

struct comparison {
    struct prompt_run *run, *other;
    const struct prompt_question *q;
    struct pair *pair; /* [n] */
    size_t n;
    struct arena arena;
};

static void add_pair(struct comparison *c, size_t here, size_t there)
{
    c->pair[c->n++] = (struct pair){
        here, there, c->run->ids.ids[here] == c->other->ids.ids[there]};
}

/* All if both have as many tokens, else what is the same at both ends. */
static void align(struct comparison *c)
{
    const int32_t *a = c->run->ids.ids, *b = c->other->ids.ids;
    size_t n = c->run->n, m = c->other->n, shorter = least(n, m);
    size_t front = 0, back = 0;
    while (front < shorter && (n == m || a[front] == b[front]))
        front++;
    while (back < shorter - front && a[n - 1 - back] == b[m - 1 - back])
        back++;
    for (size_t i = 0; i < front; i++)
        add_pair(c, i, i);
    for (size_t i = 0; i < back; i++)
        add_pair(c, n - back + i, m - back + i);
}

/* The pair of a position here; NULL: it is not aligned. */
static const struct pair *pair_of(const struct comparison *c, size_t here)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->pair[i].here == here)
            return &c->pair[i];
    return NULL;
}

/* ---- z ---- */

/* ‖a − b‖ / max(‖a‖, ‖b‖), 0 of two zeros. */
static double distance(const float *a, const float *b, size_t n)
{
    double of_a = 0, of_b = 0, off = 0;
    for (size_t i = 0; i < n; i++) {
        double x = (double)a[i], y = (double)b[i];
        of_a += x * x;
        of_b += y * y;
        off += (x - y) * (x - y);
    }
    double most = fmax(of_a, of_b);
    return most > 0 ? sqrt(off / most) : 0;
}

static const float *z_at(const struct prompt_run *run, int layer,
                         size_t position)
{
    return run->z[layer] + position * run->d;
}

static json_t *tokens_json(const struct comparison *c)
{
    json_t *out = json_array();
    int layers = c->run->lens->model.gpt2.config.layers;
    for (size_t i = 0; i < c->n; i++) {
        const struct pair *p = &c->pair[i];
        json_t *by_layer = json_array();
        for (int l = 0; l < layers; l++)
            (void)json_array_append_new(
                by_layer,
                json_real(distance(z_at(c->run, l, p->here),
                                   z_at(c->other, l, p->there), c->run->d)));
        (void)json_array_append_new(
            out, json_pack("{s:I, s:I, s:b, s:o}", "position",
                           (json_int_t)p->here, "other", (json_int_t)p->there,
                           "same", (int)p->same, "distance", by_layer));
    }
    return out;
}

/* What is listed of heads and features by how much they differ. */
struct differing {
    double by; /* absolute */
    const struct pair *pair;
    int layer;
    uint32_t what; /* head, feature */
    double before, after;
};

static int largest_first(const void *left, const void *right)
{
    const struct differing *a = left, *b = right;
    if (a->by != b->by)
        return a->by > b->by ? -1 : 1;
    if (a->pair != b->pair)
        return a->pair < b->pair ? -1 : 1;
    if (a->layer != b->layer)
        return a->layer < b->layer ? -1 : 1;
    return a->what < b->what ? -1 : a->what > b->what;
}

static int heads_json(json_t **out, struct comparison *c, struct err *e)
{
    const struct gpt2_config *g = &c->run->lens->model.gpt2.config;
    size_t d_head = (size_t)g->d_head, n = 0;
    size_t all = c->n * (size_t)g->layers * (size_t)g->heads;
    struct differing *list;
    TRY(arena_get(&c->arena, &list, all, sizeof *list, "heads", e));
    for (size_t i = 0; i < c->n; i++)
        for (int l = 0; l < g->layers; l++)
            for (uint32_t h = 0; h < (uint32_t)g->heads; h++) {
                const struct pair *p = &c->pair[i];
                double by =
                    distance(z_at(c->run, l, p->here) + h * d_head,
                             z_at(c->other, l, p->there) + h * d_head, d_head);
                if (by > 0)
                    list[n++] = (struct differing){
                        .by = by, .pair = p, .layer = l, .what = h};
            }
    qsort(list, n, sizeof *list, largest_first);
    *out = json_array();
    for (size_t i = 0; i < least(n, c->q->top); i++)
        (void)json_array_append_new(
            *out, json_pack("{s:i, s:i, s:f, s:I, s:I}", "layer", list[i].layer,
                            "head", (int)list[i].what, "distance", list[i].by,
                            "position", (json_int_t)list[i].pair->here, "other",
                            (json_int_t)list[i].pair->there));
    return 0;
}

/* ---- features ---- */

/* Those of one row of either run: a merge of two rising lists. */
static void differ_at(struct differing *list, size_t *n,
                      const struct comparison *c, const struct pair *p, int l)
{
    const struct codes *a = &c->run->codes[l], *b = &c->other->codes[l];
    size_t i = a->start[p->here], i_end = a->start[p->here + 1];
    size_t k = b->start[p->there], k_end = b->start[p->there + 1];
    while (i < i_end || k < k_end) {
        uint32_t f = i < i_end ? a->feature[i] : UINT32_MAX;
        if (k < k_end && b->feature[k] < f)
            f = b->feature[k];
        struct differing one = {.pair = p, .layer = l, .what = f};
        if (i < i_end && a->feature[i] == f)
            one.before = (double)a->value[i++];
        if (k < k_end && b->feature[k] == f)
            one.after = (double)b->value[k++];
        one.by = fabs(one.after - one.before);
        if (one.by > 0)
            list[(*n)++] = one;
    }
}

static int features_json(json_t **out, struct comparison *c, struct err *e)
{
    const struct saes *saes = &c->run->lens->saes;
    size_t n = 0, all = 0;
    struct differing *list;
    for (int l = 0; l < saes->layers; l++)
        if (saes_has(saes, l))
            all += c->run->codes[l].start[c->run->n] +
                   c->other->codes[l].start[c->other->n];
    TRY(arena_get(&c->arena, &list, all, sizeof *list, "features", e));
    for (size_t i = 0; i < c->n; i++)
        for (int l = 0; l < saes->layers; l++)
            if (saes_has(saes, l))
                differ_at(list, &n, c, &c->pair[i], l);
    qsort(list, n, sizeof *list, largest_first);
    *out = json_array();
    for (size_t i = 0; i < least(n, c->q->top); i++)
        (void)json_array_append_new(
            *out, json_pack("{s:i, s:I, s:I, s:I, s:f, s:f}", "layer",
                            list[i].layer, "feature", (json_int_t)list[i].what,
                            "position", (json_int_t)list[i].pair->here, "other",
                            (json_int_t)list[i].pair->there, "before",
                            list[i].before, "after", list[i].after));
    return 0;
}

/* ---- all of it ---- */

/* At the position, where the other is aligned. */
static int add_next(json_t *out, struct comparison *c, size_t position,
                    struct err *e)
{
    int stage = 2 * c->run->lens->model.gpt2.config.layers;
    const struct pair *pair = pair_of(c, position);
    struct distribution before, after;
    json_t *other =
        pair != NULL ? json_integer((json_int_t)pair->there) : json_null();
    int bad = json_object_set_new(out, "position",
                                  json_integer((json_int_t)position));
    if ((bad | json_object_set_new(out, "other_position", other)) != 0)
        return err_memory(e, "an answer", 0);
    if (pair == NULL) {
        bad = json_object_set_new(out, "kl", json_null());
        bad |= json_object_set_new(out, "next", json_array());
        return bad != 0 ? err_memory(e, "an answer", 0) : 0;
    }
    TRY(distribution_find(&before, c->run,
                          prompt_stage(c->run, stage, position), &c->arena, e));
    TRY(distribution_find(&after, c->other,
                          prompt_stage(c->other, stage, pair->there), &c->arena,
                          e));
    return distribution_add_pair(out, c->run->lens, &before, &after, c->q->top,
                                 e);
}

static int answer(json_t *out, struct comparison *c, struct err *e)
{
    size_t position;
    json_t *heads, *features;
    TRY(prompt_text_position(&position, c->run, c->q->position, e));
    TRY(arena_get(&c->arena, &c->pair, least(c->run->n, c->other->n),
                  sizeof *c->pair, "an alignment", e));
    align(c);
    TRY(add_next(out, c, position, e));
    if (prompt_stops(&c->q->stop))
        return prompt_stopped(e);
    int bad = json_object_set_new(out, "tokens", tokens_json(c));
    TRY(heads_json(&heads, c, e));
    bad |= json_object_set_new(out, "heads", heads);
    TRY(features_json(&features, c, e));
    bad |= json_object_set_new(out, "features", features);
    return bad != 0 ? err_memory(e, "an answer", 0) : 0;
}

int prompt_compare(json_t **out, struct prompt_run *run,
                   const struct prompt_question *q, struct err *e)
{
    struct comparison c = {.run = run, .other = q->other, .q = q};
    if (q->other == NULL)
        return err_set(e, ERR_INPUT,
                       "there is no other prompt to compare with");
    json_t *object = json_object();
    int code = answer(object, &c, e);
    arena_free(&c.arena);
    if (code != 0)
        json_decref(object);
    else
        *out = object;
    return code;
}
