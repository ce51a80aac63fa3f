/* SPDX-License-Identifier: MIT */
#include "viewer/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/list.h"
#include "viewer/marks.h"
#include "viewer/shape.h"
#include "viewer/strings.h"

static const char sorts[] = "density|max|share|index|entropy|token";
static const char orders[] = "desc|asc";

static int get_head(struct list_wanted *w, struct call *c)
{
    int64_t head;
    struct target *t = c->target;
    TRY(call_asked(c, target_int(&head, t, "head", 0, INT32_MAX, -1, c->e)));
    TRY(call_asked(c,
                   target_real(&w->min_share, t, "min_share", 0, 1, 0, c->e)));
    w->head = (int)head;
    w->by_head_share = target_has(t, "min_share");
    if (w->by_head_share && head < 0)
        return call_refuse(c, 400, "min_share is a share of a head; give head");
    return 0;
}

static int get_sort(struct list_wanted *w, struct call *c)
{
    int sort, order;
    bool by_string = w->by_vocab || w->by_source;
    int usual = by_string ? LIST_BY_TOKEN : LIST_BY_DENSITY;
    TRY(call_asked(
        c, target_choice(&sort, c->target, "sort", sorts, usual, c->e)));
    TRY(call_asked(c, target_choice(&order, c->target, "order", orders,
                                    sort == LIST_BY_INDEX, c->e)));
    if (sort == LIST_BY_TOKEN && !by_string)
        return call_refuse(c, 400,
                           "to sort by token, give token, vocab or source");
    w->sort = (enum list_sort)sort;
    w->descending = order == 0;
    return 0;
}

/* `after`: the row, by SAE and feature, that the page begins behind. */
static int get_after(struct list_wanted *w, struct call *c)
{
    size_t n, n_saes, s = 0;
    struct call_feature after;
    const struct catalog_feature *features;
    TRY(call_get_feature(&after, c, "after"));
    if (!after.asked)
        return 0;
    if (target_has(c->target, "offset"))
        return call_refuse(c, 400, "after and offset exclude each other");
    TRY(catalog_features(&features, &n, c->site->catalog, c->queries, c->e));
    const struct catalog_sae *saes = catalog_saes(c->site->catalog, &n_saes);
    while (s < n_saes && saes[s].id != after.sae)
        s++;
    if (s < n_saes)
        w->after = catalog_find(c->site->catalog, s, after.feature);
    if (w->after == NULL)
        return call_refuse(c, 400, "after is no row of this list");
    return 0;
}

static int get_wanted(struct list_wanted *w, struct call *c)
{
    int dead;
    struct target *t = c->target;
    *w = (struct list_wanted){0};
    TRY(call_get_saes(&w->sae_from, &w->sae_to, c));
    TRY(get_head(w, c));
    w->by_vocab = target_has(t, "token") || target_has(t, "vocab");
    w->by_source = target_has(t, "source");
    if (w->by_vocab && w->by_source)
        return call_refuse(c, 400, "token and source exclude each other");
    TRY(call_asked(
        c, target_real(&w->min_density, t, "min_density", 0, 1, 0, c->e)));
    TRY(call_asked(
        c, target_real(&w->max_density, t, "max_density", 0, 1, 1, c->e)));
    TRY(call_asked(c, target_choice(&dead, t, "dead", "0|1", 1, c->e)));
    w->dead = dead == 1;
    TRY(get_sort(w, c));
    TRY(get_after(w, c));
    return call_get_page(&w->offset, &w->limit, c);
}

static int put_rows(json_t *out, struct call *c, struct list_wanted *wanted)
{
    struct strings strings = {0};
    if (wanted->by_vocab || wanted->by_source)
        TRY(strings_get(&strings, c, wanted->by_source ? "source" : "token",
                        true));
    TRY(call_asked(c, target_finish(c->target, c->e)));
    if (wanted->by_vocab || wanted->by_source)
        TRY(strings_put(c, out, &strings, false));
    wanted->n_vocabs = strings.n;
    memcpy(wanted->vocabs, strings.ids, sizeof wanted->vocabs);
    TRY(shape_rows(c, out, wanted));
    const char *next = json_string_value(json_object_get(out, "next"));
    (void)snprintf(c->next, sizeof c->next, "%s", next == NULL ? "" : next);
    return 0;
}

/* ---- features named one by one ---- */

/* The feature that "3:117" names, an SAE's id and a number; *end stands behind
 * it. NULL: there is none. */
static const struct catalog_feature *find_named(const char **end,
                                                const struct call *c,
                                                const char *name)
{
    char *at;
    size_t n;
    const struct catalog_sae *saes = catalog_saes(c->site->catalog, &n);
    long long id = strtoll(name, &at, 10), feature = -1;
    if (at != name && *at == ':')
        feature = strtoll(at + 1, &at, 10);
    *end = at;
    for (size_t s = 0; s < n; s++)
        if (saes[s].id == id)
            return catalog_find(c->site->catalog, s, feature);
    return NULL;
}

static int put_named(json_t *out, struct call *c)
{
    size_t n;
    const struct catalog_feature *all;
    const char *at = target_text(c->target, "names");
    json_t *rows = call_put_array(c, out, "rows");
    TRY(call_asked(c, target_finish(c->target, c->e)));
    TRY(catalog_features(&all, &n, c->site->catalog, c->queries, c->e));
    for (size_t i = 0; *at != '\0'; i++) {
        const char *end;
        const struct catalog_feature *f = find_named(&end, c, at);
        if (i == CALL_PAGE_MAX)
            return call_refuse(c, 400, "names has more than %d features",
                               CALL_PAGE_MAX);
        if (f == NULL || (*end != ',' && *end != '\0'))
            return call_refuse(c, 400,
                               "names: '%.40s' is no feature; name "
                               "some as SAE:FEATURE, with commas",
                               at);
        const struct list_item item = {.feature = f, .share = f->top_share};
        TRY(shape_row(c, call_add_object(c, rows), &item, -1));
        at = end + (*end == ',');
    }
    return 0;
}

int api_features(json_t *out, struct call *c)
{
    if (target_has(c->target, "names"))
        return put_named(out, c);

    struct list_wanted wanted;
    bool *only;
    TRY(get_wanted(&wanted, c));
    TRY(marks_get_filter(&only, c));
    wanted.only = only;
    int code = put_rows(out, c, &wanted);
    free(only);
    return code;
}
