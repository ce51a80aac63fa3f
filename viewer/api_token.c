/* SPDX-License-Identifier: MIT */
#include "viewer/api.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/list.h"
#include "viewer/shape.h"
#include "viewer/strings.h"
#include "viewer/window.h"

enum { PLACES = 8, PLACE_WINDOW = 8 };

/* ---- heads that lead the features ---- */

struct led {
    size_t sae;
    int head;
    int64_t features;
    double max;
};

static int by_features(const void *left, const void *right)
{
    const struct led *a = left, *b = right;
    if (a->features != b->features)
        return a->features > b->features ? -1 : 1;
    if (a->max != b->max)
        return a->max > b->max ? -1 : 1;
    if (a->sae != b->sae)
        return a->sae < b->sae ? -1 : 1;
    return (a->head > b->head) - (a->head < b->head);
}

/* Counts into heads [SAE, largest number of heads]. */
static void count_led(struct led *heads, size_t width, const struct list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct catalog_feature *f = list->items[i].feature;
        if (f->top_head < 0)
            continue;
        struct led *h = &heads[(size_t)f->sae * width + (size_t)f->top_head];
        h->sae = (size_t)f->sae;
        h->head = f->top_head;
        h->features++;
        h->max = fmax(h->max, list->items[i].max);
    }
}

static int put_heads(struct call *c, json_t *out, const struct list *list)
{
    size_t n_saes, width = (size_t)catalog_heads(c->site->catalog);
    (void)catalog_saes(c->site->catalog, &n_saes);
    struct led *heads = calloc(n_saes * width + 1, sizeof *heads);
    if (heads == NULL)
        return err_memory(c->e, "heads of a token", width * sizeof *heads);
    count_led(heads, width, list);
    qsort(heads, n_saes * width, sizeof *heads, by_features);
    json_t *array = call_put_array(c, out, "heads");
    for (size_t i = 0; i < n_saes * width && heads[i].features > 0; i++) {
        char name[SHAPE_NAME];
        const struct catalog_sae *s = call_sae(c, heads[i].sae);
        json_t *object = call_add_object(c, array);
        shape_head_name(name, s->layer, heads[i].head);
        call_put_int(c, object, "sae", s->id);
        call_put_int(c, object, "layer", s->layer);
        call_put_int(c, object, "head", heads[i].head);
        call_put_text(c, object, "name", name);
        call_put_int(c, object, "features", heads[i].features);
        call_put_real(c, object, "max", heads[i].max);
    }
    free(heads);
    return 0;
}

/* ---- features ---- */

/* How often the strings occur in the dump of an SAE. */
static int count_use(uint64_t *sum, struct call *c, int64_t sae,
                     const struct strings *strings)
{
    *sum = 0; /* a damaged file may hold any numbers */
    for (size_t i = 0; i < strings->n; i++) {
        struct query q = query_begin(c->queries, QUERY_STRING_USE);
        query_bind(&q, sae);
        query_bind(&q, strings->ids[i]);
        if (query_next(&q))
            *sum += (uint64_t)query_int(&q, 0);
        TRY(query_end(&q, c->e));
    }
    return 0;
}

static int put_row(struct call *c, json_t *row, const struct list_item *item,
                   const struct strings *strings)
{
    const struct catalog_feature *f = item->feature;
    const struct catalog_sae *s = call_sae(c, (size_t)f->sae);
    uint64_t occurrences;
    TRY(count_use(&occurrences, c, s->id, strings));
    call_put_int(c, row, "sae", s->id);
    call_put_int(c, row, "layer", s->layer);
    call_put_int(c, row, "feature", f->feature);
    call_put_real(c, row, "density", f->density);
    call_put(c, row, "top_head",
             f->top_head < 0 ? json_null() : json_integer(f->top_head));
    call_put_real(c, row, "top_share", f->top_share);
    call_put_int(c, row, "count", item->count);
    call_put_real(c, row, "share",
                  occurrences > 0 ? (double)item->count / (double)occurrences
                                  : (double)NAN);
    call_put_real(c, row, "max", item->max);
    call_put_real(c, row, "mean", item->mean);
    return shape_top_tokens(c, row, s->id, f->feature, -1);
}

static int put_rows(struct call *c, json_t *out, const struct list *list,
                    const struct strings *strings, size_t offset, size_t limit)
{
    call_put_int(c, out, "total", (int64_t)list->total);
    call_put_int(c, out, "offset", (int64_t)offset);
    call_put_int(c, out, "limit", (int64_t)limit);
    json_t *rows = call_put_array(c, out, "rows");
    for (size_t i = offset; i < list->n && i - offset < limit; i++)
        TRY(put_row(c, call_add_object(c, rows), &list->items[i], strings));
    return 0;
}

/* Keeps the features that a head leads. */
static void keep_led(struct list *list, int64_t head)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->n; i++)
        if (list->items[i].feature->top_head == head)
            list->items[kept++] = list->items[i];
    list->n = list->total = kept;
}

/* ---- places ---- */

static int put_place(struct call *c, json_t *array, const struct query *q)
{
    int64_t token = query_int(q, STRING_PLACES_TOKEN);
    int64_t first = query_int(q, STRING_PLACES_FIRST);
    int64_t end = first + (query_int(q, STRING_PLACES_TOKENS) & INT32_MAX);
    if (first < 0 || first > INT64_C(1) << 53 || token < first || token >= end)
        return call_refuse(c, 500,
                           "the database is damaged: token %lld lies outside "
                           "its context",
                           (long long)token);
    struct window w = {
        token - first < PLACE_WINDOW ? first : token - PLACE_WINDOW, token,
        end - token <= PLACE_WINDOW ? end - 1 : token + PLACE_WINDOW};
    json_t *one = call_add_object(c, array);
    call_put_int(c, one, "token", token);
    call_put_int(c, one, "context", query_int(q, STRING_PLACES_CONTEXT));
    call_put_int(c, one, "position", query_int(q, STRING_PLACES_POSITION));
    call_put_int(c, one, "peak", token - w.first);
    return window_put_tokens(c, one, &w);
}

static int put_places(struct call *c, json_t *out,
                      const struct strings *strings)
{
    int64_t room = PLACES;
    json_t *array = call_put_array(c, out, "places");
    for (size_t i = 0; i < strings->n && room > 0; i++) {
        int code = 0;
        struct query q = query_begin(c->queries, QUERY_STRING_PLACES);
        query_bind(&q, strings->ids[i]);
        query_bind(&q, room);
        for (; code == 0 && query_next(&q); room--)
            code = put_place(c, array, &q);
        int ended = query_end(&q, c->e);
        TRY(code != 0 ? code : ended);
    }
    return 0;
}

int api_token(json_t *out, struct call *c)
{
    static const char sorts[] = "max|count|share";
    struct list_wanted wanted = {
        .head = -1, .by_vocab = true, .max_density = 1, .descending = true};
    struct strings strings;
    size_t offset, limit;
    int sort;
    int64_t head;
    TRY(call_get_saes(&wanted.sae_from, &wanted.sae_to, c));
    TRY(call_asked(c, target_choice(&sort, c->target, "sort", sorts, 0, c->e)));
    TRY(call_get_page(&offset, &limit, c));
    TRY(call_asked(
        c, target_int(&head, c->target, "head", 0, INT32_MAX, -1, c->e)));
    TRY(strings_get(&strings, c, "text", false));
    TRY(call_asked(c, target_finish(c->target, c->e)));
    if (strings.n == 0)
        return call_refuse(c, 404, "no token has exactly this text");
    TRY(strings_put(c, out, &strings, true));
    wanted.sort = sort == 0 ? LIST_BY_TOKEN : LIST_BY_COUNT;
    wanted.limit = SIZE_MAX;
    wanted.n_vocabs = strings.n;
    memcpy(wanted.vocabs, strings.ids, sizeof wanted.vocabs);
    struct list list;
    TRY(call_list(&list, c, &wanted));
    int code = put_heads(c, out, &list);
    if (head >= 0)
        keep_led(&list, head);
    if (code == 0)
        code = put_places(c, out, &strings);
    if (code == 0)
        code = put_rows(c, out, &list, &strings, offset, limit);
    list_free(&list);
    return code;
}
