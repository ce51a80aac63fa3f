/* SPDX-License-Identifier: MIT */
#include "viewer/api.h"

#include "viewer/list.h"
#include "viewer/alike.h"
#include "viewer/shape.h"

enum { ROWS = 25, ROWS_MAX = 50 };

static int get_other(size_t *other, struct call *c)
{
    int64_t id;
    size_t n;
    const struct catalog_sae *saes = catalog_saes(c->site->catalog, &n);
    TRY(call_get_number(&id, c, "other"));
    for (*other = 0; *other < n && saes[*other].id != id;)
        ++*other;
    return *other < n
               ? 0
               : call_refuse(c, 404, "no SAE with id %lld", (long long)id);
}

static int get_wanted(struct list_wanted *w, size_t *other, struct call *c)
{
    static const char sorts[] = "density|max|share|index|entropy";
    int64_t offset, limit;
    int sort;
    size_t sae;
    TRY(call_get_sae(&sae, c));
    TRY(get_other(other, c));
    TRY(call_asked(c, target_choice(&sort, c->target, "sort", sorts, 0, c->e)));
    TRY(call_asked(
        c, target_int(&offset, c->target, "offset", 0, INT64_MAX, 0, c->e)));
    TRY(call_get_limit(&limit, c, ROWS, ROWS_MAX));
    TRY(call_asked(c, target_finish(c->target, c->e)));
    *w = (struct list_wanted){.sae_from = sae,
                              .sae_to = sae + 1,
                              .head = -1,
                              .max_density = 1,
                              .sort = (enum list_sort)sort,
                              .descending = sort != LIST_BY_INDEX,
                              .offset = (size_t)offset,
                              .limit = (size_t)limit};
    return 0;
}

static int put_matches(struct call *c, json_t *row, struct alike_work *m,
                       const struct catalog_feature *f)
{
    struct alike found[ALIKE_MOST];
    size_t n;
    int64_t looked;
    TRY(alike_find(found, &n, &looked, m, c, f));
    call_put_int(c, row, "looked", looked);
    json_t *matches = call_put_array(c, row, "matches");
    for (size_t i = 0; i < n; i++) {
        const struct catalog_feature *g = found[i].feature;
        json_t *one = call_add_object(c, matches);
        call_put_int(c, one, "feature", g->feature);
        call_put_real(c, one, "correlation", found[i].correlation);
        call_put_int(c, one, "together", found[i].together);
        call_put_real(c, one, "density", g->density);
        TRY(shape_top_tokens(c, one, call_sae(c, m->other)->id, g->feature,
                             -1));
    }
    return 0;
}

static int put_rows(struct call *c, json_t *rows, const struct list *list,
                    struct alike_work *m)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct catalog_feature *f = list->items[i].feature;
        json_t *row = call_add_object(c, rows);
        call_put_int(c, row, "feature", f->feature);
        call_put_real(c, row, "density", f->density);
        call_put_real(c, row, "max", f->max);
        TRY(shape_top_tokens(c, row, call_sae(c, m->sae)->id, f->feature, -1));
        TRY(put_matches(c, row, m, f));
    }
    return 0;
}

int api_compare(json_t *out, struct call *c)
{
    struct list_wanted wanted;
    struct list list;
    struct alike_work m;
    size_t other;
    TRY(get_wanted(&wanted, &other, c));
    TRY(call_list(&list, c, &wanted));
    call_put_int(c, out, "sae", call_sae(c, wanted.sae_from)->id);
    call_put_int(c, out, "other", call_sae(c, other)->id);
    call_put_int(c, out, "total", (int64_t)list.total);
    call_put_int(c, out, "offset", (int64_t)wanted.offset);
    call_put_int(c, out, "limit", (int64_t)wanted.limit);
    int code = alike_begin(&m, c, wanted.sae_from, other);
    if (code == 0)
        code = put_rows(c, call_put_array(c, out, "rows"), &list, &m);
    alike_free(&m);
    list_free(&list);
    return code;
}
