/* SPDX-License-Identifier: MIT */
#include "viewer/list.h"

#include <math.h>
#include <stdlib.h>

/* What the steps below share. */
struct work {
    const struct list_wanted *wanted;
    struct catalog *catalog;
    const struct queries *queries;
    const struct catalog_sae *saes;
    const struct catalog_feature *features; /* of all SAEs */
    size_t first, end;                      /* those of the wanted SAEs */
    double *shares; /* (end - first) of the head, NaN: too little; or NULL */
    struct list_item *found;
    size_t n, room;
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- filters ---- */

static bool is_dead(const struct catalog_feature *f)
{
    return isnan(f->max);
}

static bool passes(const struct work *w, const struct catalog_feature *f)
{
    const struct list_wanted *wanted = w->wanted;
    size_t place = (size_t)(f - w->features);
    if (place < w->first || place >= w->end)
        return false;
    if (is_dead(f) && !wanted->dead)
        return false;
    if (wanted->only != NULL && !wanted->only[place])
        return false;
    /* Written so that a NaN does not pass. */
    if (!(f->density >= wanted->min_density &&
          f->density <= wanted->max_density))
        return false;
    if (w->shares != NULL)
        return !isnan(w->shares[place - w->first]);
    return wanted->head < 0 || f->top_head == wanted->head;
}

/* Shares of the head where they are large enough. */
static int read_shares(struct work *w, struct err *e)
{
    size_t n = w->end - w->first;
    w->shares = malloc((n + 1) * sizeof *w->shares);
    if (w->shares == NULL)
        return err_memory(e, "the shares of a head", n * sizeof *w->shares);
    for (size_t i = 0; i < n; i++)
        w->shares[i] = NAN;
    for (size_t s = w->wanted->sae_from; s < w->wanted->sae_to; s++) {
        struct query q = query_begin(w->queries, QUERY_SHARES_OF_HEAD);
        query_bind(&q, w->saes[s].id);
        query_bind(&q, w->wanted->head);
        query_bind_real(&q, w->wanted->min_share);
        while (query_next(&q)) {
            const struct catalog_feature *f = catalog_find(
                w->catalog, s, query_int(&q, SHARES_OF_HEAD_FEATURE));
            if (f != NULL)
                w->shares[(size_t)(f - w->features) - w->first] =
                    query_real(&q, SHARES_OF_HEAD_SHARE);
        }
        TRY(query_end(&q, e));
    }
    return 0;
}

/* ---- features found one by one ---- */

static double share_of(const struct work *w, const struct catalog_feature *f)
{
    return w->shares == NULL ? f->top_share
                             : w->shares[(size_t)(f - w->features) - w->first];
}

static int add(struct work *w, struct list_item item, struct err *e)
{
    if (w->n == w->room) {
        size_t room = w->room == 0 ? 256 : 2 * w->room;
        struct list_item *grown = realloc(w->found, room * sizeof *grown);
        if (grown == NULL)
            return err_memory(e, "a list of features", room * sizeof *grown);
        w->found = grown;
        w->room = room;
    }
    item.share = share_of(w, item.feature);
    w->found[w->n++] = item;
    return 0;
}

static int add_those_of_string(struct work *w, size_t sae, int64_t vocab,
                               struct err *e)
{
    int code = 0;
    struct query q = query_begin(w->queries, QUERY_STRING_FEATURES);
    query_bind(&q, w->saes[sae].id);
    query_bind(&q, vocab);
    while (code == 0 && query_next(&q)) {
        const struct catalog_feature *f = catalog_find(
            w->catalog, sae, query_int(&q, STRING_FEATURES_FEATURE));
        if (f != NULL && passes(w, f))
            code = add(w,
                       (struct list_item){
                           .feature = f,
                           .count = query_int(&q, STRING_FEATURES_COUNT),
                           .max = query_real(&q, STRING_FEATURES_MAX),
                           .mean = query_real(&q, STRING_FEATURES_MEAN)},
                       e);
    }
    int ended = query_end(&q, e);
    return code != 0 ? code : ended;
}

static int add_those_of_source(struct work *w, size_t sae, int64_t vocab,
                               struct err *e)
{
    int code = 0;
    struct query q = query_begin(w->queries, QUERY_SOURCE_FEATURES);
    query_bind(&q, w->saes[sae].id);
    query_bind(&q, vocab);
    while (code == 0 && query_next(&q)) {
        const struct catalog_feature *f = catalog_find(
            w->catalog, sae, query_int(&q, SOURCE_FEATURES_FEATURE));
        if (f != NULL && passes(w, f))
            code = add(w,
                       (struct list_item){
                           .feature = f,
                           .count = query_int(&q, SOURCE_FEATURES_COUNT),
                           .max = query_real(&q, SOURCE_FEATURES_SHARE),
                           .mean = NAN},
                       e);
    }
    int ended = query_end(&q, e);
    return code != 0 ? code : ended;
}

static int by_feature(const void *left, const void *right)
{
    const struct list_item *a = left, *b = right;
    return (a->feature > b->feature) - (a->feature < b->feature);
}

/* A feature of several of the strings becomes one. */
static void merge(struct work *w)
{
    size_t kept = 0;
    qsort(w->found, w->n, sizeof *w->found, by_feature);
    for (size_t i = 1; i < w->n; i++) {
        struct list_item *to = &w->found[kept], *from = &w->found[i];
        if (from->feature != to->feature) {
            w->found[++kept] = *from;
            continue;
        }
        double sum =
            to->mean * (double)to->count + from->mean * (double)from->count;
        /* Unsigned: a damaged file may hold any numbers. */
        to->count = (int64_t)((uint64_t)to->count + (uint64_t)from->count);
        to->mean = sum / (double)to->count;
        to->max = fmax(to->max, from->max);
    }
    w->n = kept + 1;
}

static int find(struct work *w, struct err *e)
{
    const struct list_wanted *wanted = w->wanted;
    if (!wanted->by_vocab && !wanted->by_source) {
        for (size_t i = w->first; i < w->end; i++)
            if (passes(w, &w->features[i]))
                TRY(add(w, (struct list_item){.feature = &w->features[i]}, e));
        return 0;
    }
    for (size_t s = wanted->sae_from; s < wanted->sae_to; s++)
        for (size_t v = 0; v < wanted->n_vocabs; v++)
            TRY(wanted->by_source
                    ? add_those_of_source(w, s, wanted->vocabs[v], e)
                    : add_those_of_string(w, s, wanted->vocabs[v], e));
    if (wanted->n_vocabs > 1 && w->n > 0)
        merge(w);
    return 0;
}

/* ---- sorting them ---- */

struct sortable {
    double key;
    struct list_item item;
};

static double key_of(const struct list_item *item, enum list_sort sort)
{
    switch (sort) {
    case LIST_BY_DENSITY:
        return item->feature->density;
    case LIST_BY_MAX:
        return item->feature->max;
    case LIST_BY_SHARE:
        return item->share;
    case LIST_BY_ENTROPY:
        return item->feature->entropy;
    case LIST_BY_TOKEN:
        return item->max;
    case LIST_BY_COUNT:
        return (double)item->count;
    case LIST_BY_INDEX:
        break;
    }
    return 0;
}

static int ascending(const void *left, const void *right)
{
    const struct sortable *a = left, *b = right;
    if (isnan(a->key) != isnan(b->key))
        return isnan(a->key) ? 1 : -1;
    if (a->key != b->key && !isnan(a->key))
        return a->key < b->key ? -1 : 1;
    return by_feature(&a->item, &b->item);
}

/* What is not known stays last. */
static int descending(const void *left, const void *right)
{
    const struct sortable *a = left, *b = right;
    if (isnan(a->key) != isnan(b->key))
        return isnan(a->key) ? 1 : -1;
    return ascending(right, left);
}

static int sort_found(struct work *w, struct err *e)
{
    struct sortable *all = malloc((w->n + 1) * sizeof *all);
    if (all == NULL)
        return err_memory(e, "a list of features", w->n * sizeof *all);
    for (size_t i = 0; i < w->n; i++)
        all[i] = (struct sortable){key_of(&w->found[i], w->wanted->sort),
                                   w->found[i]};
    qsort(all, w->n, sizeof *all,
          w->wanted->descending ? descending : ascending);
    for (size_t i = 0; i < w->n; i++)
        w->found[i] = all[i].item;
    free(all);
    return 0;
}

static int make_room(struct list *out, size_t n, struct err *e)
{
    out->items = calloc(n + 1, sizeof *out->items);
    if (out->items == NULL)
        return err_memory(e, "a list of features", n * sizeof *out->items);
    return 0;
}

static int take_found(struct list *out, struct work *w, struct err *e)
{
    TRY(find(w, e));
    TRY(sort_found(w, e));
    size_t from = smaller(w->wanted->offset, w->n);
    size_t n = smaller(w->wanted->limit, w->n - from);
    TRY(make_room(out, n, e));
    for (size_t i = 0; i < n; i++)
        out->items[i] = w->found[from + i];
    out->n = n;
    out->total = w->n;
    return 0;
}

/* ---- walking a kept order ---- */

static bool is_last(const struct catalog_feature *f, enum list_sort sort)
{
    if (sort == LIST_BY_INDEX)
        return false;
    return sort == LIST_BY_SHARE     ? isnan(f->top_share)
           : sort == LIST_BY_ENTROPY ? isnan(f->entropy)
                                     : is_dead(f);
}

/* One way along the order: those with a key, or those without. */
static void walk(struct list *out, const struct work *w, const uint32_t *order,
                 size_t n, bool last)
{
    const struct list_wanted *wanted = w->wanted;
    for (size_t i = 0; i < n; i++) {
        size_t at = wanted->descending ? n - 1 - i : i;
        const struct catalog_feature *f =
            &w->features[order == NULL ? at : order[at]];
        if (is_last(f, wanted->sort) != last || !passes(w, f))
            continue;
        if (out->total >= wanted->offset && out->n < wanted->limit)
            out->items[out->n++] =
                (struct list_item){.feature = f, .share = f->top_share};
        out->total++;
    }
}

static int take_ordered(struct list *out, struct work *w, size_t n,
                        struct err *e)
{
    static const enum catalog_order orders[] = {
        [LIST_BY_DENSITY] = CATALOG_BY_DENSITY,
        [LIST_BY_MAX] = CATALOG_BY_MAX,
        [LIST_BY_SHARE] = CATALOG_BY_SHARE,
        [LIST_BY_ENTROPY] = CATALOG_BY_ENTROPY};
    const uint32_t *order = NULL;
    if (w->wanted->sort != LIST_BY_INDEX)
        TRY(catalog_sorted(&order, w->catalog, orders[w->wanted->sort], e));
    TRY(make_room(out, smaller(w->wanted->limit, n), e));
    walk(out, w, order, n, false);
    walk(out, w, order, n, true);
    return 0;
}

/* ---- all of it ---- */

int list_make(struct list *out, const struct list_wanted *wanted,
              struct catalog *catalog, const struct queries *queries,
              struct err *e)
{
    struct work w = {.wanted = wanted, .catalog = catalog, .queries = queries};
    size_t n, n_saes;
    *out = (struct list){0};
    TRY(catalog_features(&w.features, &n, catalog, queries, e));
    w.saes = catalog_saes(catalog, &n_saes);
    w.first = wanted->sae_from < n_saes ? w.saes[wanted->sae_from].first : n;
    w.end = wanted->sae_to < n_saes ? w.saes[wanted->sae_to].first : n;
    int code = 0;
    if (wanted->by_head_share)
        code = read_shares(&w, e);
    bool few = wanted->by_vocab || wanted->by_source || wanted->by_head_share;
    if (code == 0 && few)
        code = take_found(out, &w, e);
    else if (code == 0)
        code = take_ordered(out, &w, n, e);
    free(w.shares);
    free(w.found);
    if (code != 0)
        list_free(out);
    return code;
}

void list_free(struct list *list)
{
    free(list->items);
    *list = (struct list){0};
}
