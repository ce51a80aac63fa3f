/* SPDX-License-Identifier: MIT */
#include "viewer/list.h"

#include <math.h>
#include <stdlib.h>

#include "base/least.h"
#include "viewer/ranked.h"

/* What the steps below share. */
struct work {
    const struct list_wanted *wanted;
    struct catalog *catalog;
    const struct head_shares *kept_shares;
    const struct queries *queries;
    const struct catalog_sae *saes;
    const struct catalog_feature *features; /* of all SAEs */
    size_t first, end;                      /* those of the wanted SAEs */
    double *shares; /* (end - first) of the head, NaN: too little; or NULL */
    struct list_item *found; /* by feature */
    size_t n, room;
    struct list_item after; /* the cursor, where the list has it, */
    bool has_after;         /* if it has */
};

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

static int read_share(double *out, const struct work *w,
                      const struct catalog_feature *f, struct err *e)
{
    struct query q = query_begin(w->queries, QUERY_SHARE_OF_HEAD);
    query_bind(&q, w->saes[f->sae].id);
    query_bind(&q, f->feature);
    query_bind(&q, w->wanted->head);
    *out = query_next(&q) ? query_real(&q, 0) : (double)NAN;
    return query_end(&q, e);
}

/* What is kept is rounded: one that equals the bound is looked at. */
static int take_kept_shares(struct work *w, size_t sae, const float *kept,
                            struct err *e)
{
    const struct catalog_sae *s = &w->saes[sae];
    double share, bound = w->wanted->min_share;
    for (size_t i = 0; i < s->n; i++) {
        if (!(kept[i] >= (float)bound))
            continue;
        if (bound > 0 && kept[i] == (float)bound) {
            TRY(read_share(&share, w, &w->features[s->first + i], e));
            if (!(share >= bound))
                continue;
        }
        w->shares[s->first + i - w->first] = kept[i];
    }
    return 0;
}

static int read_shares_of(struct work *w, size_t sae, struct err *e)
{
    struct query q = query_begin(w->queries, QUERY_SHARES_OF_HEAD);
    query_bind(&q, w->saes[sae].id);
    query_bind(&q, w->wanted->head);
    query_bind_real(&q, w->wanted->min_share);
    while (query_next(&q)) {
        const struct catalog_feature *f = catalog_find(
            w->catalog, sae, query_int(&q, SHARES_OF_HEAD_FEATURE));
        if (f != NULL)
            w->shares[(size_t)(f - w->features) - w->first] =
                query_real(&q, SHARES_OF_HEAD_SHARE);
    }
    return query_end(&q, e);
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
        const float *kept = head_shares_of(w->kept_shares, s, w->wanted->head);
        if (kept != NULL)
            TRY(take_kept_shares(w, s, kept, e));
        else
            TRY(read_shares_of(w, s, e));
    }
    return 0;
}

/* What is shown is the share to its last digit. */
static int read_exact_shares(struct list *out, const struct work *w,
                             struct err *e)
{
    for (size_t i = 0; i < out->n; i++)
        TRY(read_share(&out->items[i].share, w, out->items[i].feature, e));
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

/* What a row of either query says. */
static struct list_item read_item(const struct query *q, bool source,
                                  const struct catalog_feature *f)
{
    if (source)
        return (struct list_item){.feature = f,
                                  .count = query_int(q, SOURCE_FEATURES_COUNT),
                                  .max = query_real(q, SOURCE_FEATURES_SHARE),
                                  .mean = NAN};
    return (struct list_item){.feature = f,
                              .count = query_int(q, STRING_FEATURES_COUNT),
                              .max = query_real(q, STRING_FEATURES_MAX),
                              .mean = query_real(q, STRING_FEATURES_MEAN)};
}

static int add_those_of(struct work *w, size_t sae, int64_t vocab,
                        struct err *e)
{
    int code = 0;
    bool source = w->wanted->by_source;
    struct query q = query_begin(w->queries, source ? QUERY_SOURCE_FEATURES
                                                    : QUERY_STRING_FEATURES);
    query_bind(&q, w->saes[sae].id);
    query_bind(&q, vocab);
    while (code == 0 && query_next(&q)) {
        /* The feature is the first column of both. */
        const struct catalog_feature *f = catalog_find(
            w->catalog, sae, query_int(&q, STRING_FEATURES_FEATURE));
        if (f != NULL && (passes(w, f) || f == w->wanted->after))
            code = add(w, read_item(&q, source, f), e);
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

/* Remembers the cursor, and takes it out where it is there only as such. */
static void take_out_after(struct work *w)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->n; i++) {
        bool is_after = w->found[i].feature == w->wanted->after;
        if (is_after) {
            w->after = w->found[i];
            w->has_after = true;
        }
        if (!is_after || passes(w, w->after.feature))
            w->found[kept++] = w->found[i];
    }
    w->n = kept;
}

static int find(struct work *w, struct err *e)
{
    const struct list_wanted *wanted = w->wanted;
    for (size_t s = wanted->sae_from; s < wanted->sae_to; s++)
        for (size_t v = 0; v < wanted->n_vocabs; v++)
            TRY(add_those_of(w, s, wanted->vocabs[v], e));
    if (wanted->n_vocabs > 1 && w->n > 0)
        merge(w);
    take_out_after(w);
    return 0;
}

/* ---- which of them make the page ---- */

static double key_of(const struct list_item *item, enum list_sort sort)
{
    switch (sort) {
    case LIST_BY_DENSITY: /* those that are never active come last */
        return is_dead(item->feature) ? (double)NAN : item->feature->density;
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

/* A row's rank: ties go by the feature. */
static struct ranked rank_of(const struct work *w, const struct list_item *item)
{
    return (struct ranked){key_of(item, w->wanted->sort),
                           (uint32_t)(item->feature - w->features)};
}

/* Whether there is a cursor that the row is not behind. */
static bool is_up_to_cursor(const struct work *w, const struct list_item *item)
{
    if (!w->has_after)
        return false;
    struct ranked after = rank_of(w, &w->after), one = rank_of(w, item);
    return !ranked_before(&after, &one, w->wanted->descending);
}

/* The page's first row: how many come before it. `before_or_at` rows are up to
 * the cursor. */
static size_t first_of(const struct work *w, size_t before_or_at, size_t total)
{
    const struct list_wanted *wanted = w->wanted;
    return least(wanted->after == NULL ? wanted->offset : before_or_at, total);
}

static int make_room(struct list *out, size_t n, struct err *e)
{
    out->items = calloc(n + 1, sizeof *out->items);
    if (out->items == NULL)
        return err_memory(e, "a list of features", n * sizeof *out->items);
    return 0;
}

/* ---- out of those found one by one ---- */

/* Ranks of all, where `place` is their place among those found: these stand in
 * the order of features. Returns how many are not behind the cursor. */
static size_t rank_found(struct ranked *all, const struct work *w)
{
    size_t up_to = 0;
    for (size_t i = 0; i < w->n; i++) {
        up_to += is_up_to_cursor(w, &w->found[i]);
        all[i] =
            (struct ranked){key_of(&w->found[i], w->wanted->sort), (uint32_t)i};
    }
    return up_to;
}

static int take_found(struct list *out, struct work *w, struct err *e)
{
    TRY(find(w, e));
    struct ranked *all = malloc((w->n + 1) * sizeof *all);
    if (all == NULL)
        return err_memory(e, "a list of features", w->n * sizeof *all);
    out->total = w->n;
    size_t from = out->before = first_of(w, rank_found(all, w), w->n);
    size_t n = least(w->wanted->limit, w->n - from);
    int code = make_room(out, n, e);
    if (code == 0) {
        ranked_sort(all, w->n, from, from + n, w->wanted->descending);
        out->n = n;
    }
    for (size_t i = 0; i < out->n; i++)
        out->items[i] = w->found[all[from + i].place];
    free(all);
    return code;
}

/* ---- out of all features ---- */

static struct list_item item_of(const struct work *w, size_t place)
{
    const struct catalog_feature *f = &w->features[place];
    return (struct list_item){.feature = f, .share = share_of(w, f)};
}

/* How many rows there are, and how many up to the cursor: features as they lie
 * in memory, which takes less than to follow an order. */
static size_t count_all(size_t *up_to, const struct work *w)
{
    size_t total = 0;
    *up_to = 0;
    for (size_t i = w->first; i < w->end; i++) {
        if (!passes(w, &w->features[i]))
            continue;
        struct list_item item = item_of(w, i);
        *up_to += is_up_to_cursor(w, &item);
        total++;
    }
    return total;
}

/* Where those with a key begin in an order: not known is the smallest there,
 * but the last row of a list. */
static size_t find_known(const struct work *w, const uint32_t *order, size_t n)
{
    size_t from = 0, to = n;
    while (order != NULL && from < to) {
        size_t middle = from + (to - from) / 2;
        struct list_item item = item_of(w, order[middle]);
        if (isnan(key_of(&item, w->wanted->sort)))
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* Follows an order (NULL: that of features) until the page is full. */
static void walk(struct list *out, const struct work *w, const uint32_t *order,
                 size_t n, size_t from)
{
    const struct list_wanted *wanted = w->wanted;
    size_t seen = 0, known = find_known(w, order, n);
    for (size_t i = 0; i < n && out->n < wanted->limit; i++) {
        size_t at = wanted->descending ? n - 1 - i : (known + i) % n;
        size_t place = order == NULL ? at : order[at];
        if (passes(w, &w->features[place]) && seen++ >= from)
            out->items[out->n++] = item_of(w, place);
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
    size_t up_to;
    const uint32_t *order = NULL;
    if (w->wanted->sort != LIST_BY_INDEX)
        TRY(catalog_sorted(&order, w->catalog, orders[w->wanted->sort], e));
    out->total = count_all(&up_to, w);
    TRY(make_room(out, least(w->wanted->limit, n), e));
    out->before = first_of(w, up_to, out->total);
    walk(out, w, order, n, out->before);
    return 0;
}

/* Of a head's shares there is no order in memory. */
static int take_shares(struct list *out, struct work *w, struct err *e)
{
    size_t n = 0, up_to;
    struct ranked *all = malloc((w->end - w->first + 1) * sizeof *all);
    if (all == NULL)
        return err_memory(e, "the shares of a head", w->end - w->first);
    for (size_t i = w->first; i < w->end; i++)
        if (passes(w, &w->features[i]))
            all[n++] = (struct ranked){w->shares[i - w->first], (uint32_t)i};
    out->total = count_all(&up_to, w);
    size_t from = out->before = first_of(w, up_to, n);
    size_t page = least(w->wanted->limit, n - from);
    int code = make_room(out, page, e);
    if (code == 0) {
        ranked_sort(all, n, from, from + page, w->wanted->descending);
        out->n = page;
    }
    for (size_t i = 0; i < out->n; i++)
        out->items[i] = item_of(w, all[from + i].place);
    free(all);
    return code;
}

/* ---- all of it ---- */

/* The cursor's rank without strings; with them it shows as it is found. */
static void place_after(struct work *w)
{
    const struct catalog_feature *after = w->wanted->after;
    size_t place = after == NULL ? w->end : (size_t)(after - w->features);
    bool few = w->wanted->by_vocab || w->wanted->by_source;
    if (few || place < w->first || place >= w->end)
        return;
    w->after = item_of(w, place);
    w->has_after = w->shares == NULL || !isnan(w->after.share);
}

static int take(struct list *out, struct work *w, size_t n, struct err *e)
{
    const struct list_wanted *wanted = w->wanted;
    if (wanted->by_head_share)
        TRY(read_shares(w, e));
    place_after(w);
    if (wanted->by_vocab || wanted->by_source)
        TRY(take_found(out, w, e));
    else if (wanted->by_head_share && wanted->sort == LIST_BY_SHARE)
        TRY(take_shares(out, w, e));
    else
        TRY(take_ordered(out, w, n, e));
    out->lost = wanted->after != NULL && !w->has_after;
    return wanted->by_head_share ? read_exact_shares(out, w, e) : 0;
}

int list_make(struct list *out, const struct list_wanted *wanted,
              const struct list_from *from, struct err *e)
{
    struct catalog *catalog = from->catalog;
    const struct queries *queries = from->queries;
    struct work w = {.wanted = wanted,
                     .catalog = catalog,
                     .kept_shares = from->shares,
                     .queries = queries};
    size_t n, n_saes;
    *out = (struct list){0};
    TRY(catalog_features(&w.features, &n, catalog, queries, e));
    w.saes = catalog_saes(catalog, &n_saes);
    w.first = wanted->sae_from < n_saes ? w.saes[wanted->sae_from].first : n;
    w.end = wanted->sae_to < n_saes ? w.saes[wanted->sae_to].first : n;
    int code = take(out, &w, n, e);
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
