/* SPDX-License-Identifier: MIT */
#include "viewer/api.h"

#include <stdlib.h>

#include "viewer/head.h"
#include "viewer/list.h"
#include "viewer/measures.h"
#include "viewer/shape.h"
#include "viewer/window.h"

/* Of the features that a head's strongest tokens belong to, in that order. */
enum { STRONGEST = 200, STRINGS = 24, EXAMPLES = 20 };

static void put_head(struct call *c, json_t *object,
                     const struct catalog_sae *sae, int64_t head)
{
    char name[SHAPE_NAME];
    shape_head_name(name, sae->layer, head);
    call_put_int(c, object, "head", head);
    call_put_text(c, object, "name", name);
}

/* The measures of an SAE's heads; the caller's free. */
static int make_measures(struct measures **out, double *total, struct call *c,
                         size_t place)
{
    const struct catalog_feature *features;
    size_t n;
    TRY(catalog_features(&features, &n, c->site->catalog, c->queries, c->e));
    const struct catalog_sae *sae = call_sae(c, place);
    *out = calloc((size_t)sae->heads, sizeof **out);
    if (*out == NULL)
        return err_memory(c->e, "measures of heads", sizeof **out);
    measures_fill(*out, total, features, sae);
    int code = measures_read(*out, c, sae);
    if (code != 0)
        free(*out);
    return code;
}

/* ---- /api/heads ---- */

static int put_row(struct call *c, json_t *row, size_t place)
{
    struct measures *measures;
    double total;
    TRY(make_measures(&measures, &total, c, place));
    const struct catalog_sae *sae = call_sae(c, place);
    call_put_int(c, row, "sae", sae->id);
    call_put_int(c, row, "layer", sae->layer);
    call_put_text(c, row, "name", sae->name);
    json_t *heads = call_put_array(c, row, "heads");
    for (int h = 0; h < sae->heads; h++) {
        json_t *cell = call_add_object(c, heads);
        put_head(c, cell, sae, h);
        measures_put(c, cell, &measures[h], total);
    }
    free(measures);
    return 0;
}

int api_heads(json_t *out, struct call *c)
{
    TRY(call_asked(c, target_finish(c->target, c->e)));
    size_t n;
    (void)catalog_saes(c->site->catalog, &n);
    call_put_int(c, out, "heads", catalog_heads(c->site->catalog));
    measures_put_legend(c, call_put_array(c, out, "measures"));
    json_t *rows = call_put_array(c, out, "rows");
    for (size_t i = 0; i < n; i++)
        TRY(put_row(c, call_add_object(c, rows), i));
    return 0;
}

/* ---- /api/head ---- */

struct asked {
    size_t place;
    int64_t head, window, limit;
};

static int get_asked(struct asked *a, struct call *c)
{
    TRY(call_get_sae(&a->place, c));
    TRY(call_get_number(&a->head, c, "head"));
    TRY(window_get_width(&a->window, c));
    TRY(call_get_limit(&a->limit, c, CALL_PAGE, CALL_PAGE_MAX));
    TRY(call_asked(c, target_finish(c->target, c->e)));
    const struct catalog_sae *s = call_sae(c, a->place);
    if (a->head >= s->heads)
        return call_refuse(c, 404, "%s has heads 0 to %d", s->name,
                           s->heads - 1);
    return 0;
}

static int put_measures(struct call *c, json_t *out, const struct asked *a)
{
    struct measures *measures;
    double total;
    TRY(make_measures(&measures, &total, c, a->place));
    const struct catalog_sae *sae = call_sae(c, a->place);
    call_put_int(c, out, "sae", sae->id);
    call_put_int(c, out, "layer", sae->layer);
    put_head(c, out, sae, a->head);
    measures_put(c, out, &measures[a->head], total);
    free(measures);
    return 0;
}

static int put_rows(struct call *c, json_t *out, const struct asked *a)
{
    struct list_wanted wanted = {
        .sae_from = a->place,
        .sae_to = a->place + 1,
        .head = (int)a->head,
        .by_head_share = true,
        .max_density = 1,
        .sort = LIST_BY_SHARE,
        .descending = true,
        .limit = (size_t)a->limit,
    };
    return shape_rows(c, out, &wanted);
}

/* A string among the strongest, where it is strongest, and how many features
 * have it first. */
struct string {
    int64_t vocab, feature, features;
    double contribution;
};

static int find_string(const struct string *strings, int n, int64_t vocab)
{
    int i = 0;
    while (i < n && strings[i].vocab != vocab)
        i++;
    return i;
}

static struct query best_of_head(struct call *c, const struct asked *a,
                                 int64_t limit)
{
    struct query q = query_begin(c->queries, QUERY_BEST_OF_HEAD);
    query_bind(&q, call_sae(c, a->place)->id);
    query_bind(&q, a->head);
    query_bind(&q, limit);
    return q;
}

static int put_strings(struct call *c, json_t *out, const struct asked *a)
{
    struct string strings[STRINGS];
    int n = 0;
    struct query q = best_of_head(c, a, STRONGEST);
    while (query_next(&q)) {
        if (query_is_null(&q, EXAMPLE_VOCAB))
            continue;
        int64_t vocab = query_int(&q, EXAMPLE_VOCAB);
        int i = find_string(strings, n, vocab);
        if (i == STRINGS)
            continue;
        if (i == n)
            strings[n++] = (struct string){
                .vocab = vocab,
                .feature = query_int(&q, EXAMPLE_FEATURE),
                .contribution = query_real(&q, EXAMPLE_CONTRIBUTION)};
        strings[i].features++;
    }
    TRY(query_end(&q, c->e));
    json_t *array = call_put_array(c, out, "strings");
    for (int i = 0; i < n; i++) {
        int64_t count;
        json_t *one = call_add_object(c, array);
        TRY(shape_string_by_id(&count, c, one, strings[i].vocab, false));
        call_put_real(c, one, "contribution", strings[i].contribution);
        call_put_int(c, one, "feature", strings[i].feature);
        call_put_int(c, one, "features", strings[i].features);
    }
    return 0;
}

/* The scale and maximum that the levels of a feature refer to. */
static int put_scale(struct call *c, json_t *object, int64_t sae,
                     int64_t feature)
{
    struct query q = query_begin(c->queries, QUERY_FEATURE);
    query_bind(&q, sae);
    query_bind(&q, feature);
    json_t *row = query_next(&q) ? query_object(&q) : NULL;
    TRY(query_end(&q, c->e));
    if (row == NULL)
        return call_refuse(c, 500,
                           "the database is damaged: an example of feature "
                           "%lld, which is not there",
                           (long long)feature);
    call_put_int(c, object, "feature", feature);
    call_put(c, object, "scale", json_incref(json_object_get(row, "scale")));
    call_put(c, object, "max", json_incref(json_object_get(row, "max")));
    json_decref(row);
    return 0;
}

static int put_example(struct call *c, json_t *object, const struct query *row,
                       const struct asked *a)
{
    const struct window_view view = {
        .sae = call_sae(c, a->place)->id, .window = a->window, .head = a->head};
    TRY(put_scale(c, object, view.sae, query_int(row, EXAMPLE_FEATURE)));
    return window_put_example(c, object, row, &view);
}

static int put_examples(struct call *c, json_t *out, const struct asked *a)
{
    json_t *array = call_put_array(c, out, "examples");
    int code = 0;
    struct query q = best_of_head(c, a, EXAMPLES);
    while (code == 0 && query_next(&q))
        code = put_example(c, call_add_object(c, array), &q, a);
    int ended = query_end(&q, c->e);
    return code != 0 ? code : ended;
}

int api_head(json_t *out, struct call *c)
{
    struct asked a;
    TRY(get_asked(&a, c));
    TRY(put_measures(c, out, &a));
    TRY(put_rows(c, out, &a));
    TRY(put_strings(c, out, &a));
    int64_t sae = call_sae(c, a.place)->id;
    TRY(head_put_codes(c, out, sae, a.head));
    TRY(head_put_groups(c, out, sae, a.head));
    TRY(head_put_sources(c, out, sae, a.head));
    return put_examples(c, out, &a);
}
