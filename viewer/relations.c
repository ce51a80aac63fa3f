/* SPDX-License-Identifier: MIT */
#include "viewer/relations.h"

#include "viewer/shape.h"

static struct query about(struct call *c, enum query_name name, int64_t sae,
                          int64_t feature)
{
    struct query q = query_begin(c->queries, name);
    query_bind(&q, sae);
    query_bind(&q, feature);
    return q;
}

/* ---- other features ---- */

/* What is said of another feature wherever one is named. */
static int put_other(struct call *c, json_t *object, int64_t sae,
                     int64_t feature)
{
    static const char *const names[] = {"density", "max", "top_head"};
    struct query q = about(c, QUERY_FEATURE, sae, feature);
    json_t *row = query_next(&q) ? query_object(&q) : NULL;
    call_put_int(c, object, "feature", feature);
    for (size_t i = 0; row != NULL && i < sizeof names / sizeof *names; i++)
        call_put(c, object, names[i],
                 json_incref(json_object_get(row, names[i])));
    json_decref(row);
    TRY(query_end(&q, c->e));
    return shape_top_tokens(c, object, sae, feature, -1);
}

static int put_neighbours(struct call *c, json_t *object, int64_t sae,
                          int64_t feature)
{
    int code = 0;
    json_t *array = call_put_array(c, object, "neighbours");
    struct query q = about(c, QUERY_NEIGHBOURS, sae, feature);
    while (code == 0 && query_next(&q)) {
        json_t *one = call_add_object(c, array);
        code = put_other(c, one, sae, query_int(&q, NEIGHBOURS_FEATURE));
        call_put_real(c, one, "cosine", query_real(&q, NEIGHBOURS_COSINE));
    }
    int ended = query_end(&q, c->e);
    return code != 0 ? code : ended;
}

static int put_pair_rows(struct call *c, json_t *array, int64_t sae,
                         int64_t feature)
{
    int code = 0;
    struct query q = about(c, QUERY_PAIRS, sae, feature);
    while (code == 0 && query_next(&q)) {
        json_t *one = call_add_object(c, array);
        code = put_other(c, one, sae, query_int(&q, PAIRS_OTHER));
        call_put_int(c, one, "count", query_int(&q, PAIRS_COUNT));
        call_put_real(c, one, "expected", query_real(&q, PAIRS_EXPECTED));
    }
    int ended = query_end(&q, c->e);
    return code != 0 ? code : ended;
}

static int put_pairs(struct call *c, json_t *object, int64_t sae,
                     int64_t feature)
{
    json_t *pairs = call_put_object(c, object, "pairs");
    struct query q = query_begin(c->queries, QUERY_PAIR_SAMPLE);
    query_bind(&q, sae);
    if (query_next(&q))
        call_put_int(c, pairs, "tokens", query_int(&q, 0));
    TRY(query_end(&q, c->e));
    return put_pair_rows(c, call_put_array(c, pairs, "features"), sae, feature);
}

/* ---- places in the text ---- */

static int put_positions(struct call *c, json_t *object, int64_t sae,
                         int64_t feature)
{
    json_t *array = call_put_array(c, object, "positions");
    struct query q = about(c, QUERY_POSITIONS, sae, feature);
    while (query_next(&q)) {
        json_t *one = call_add_object(c, array);
        call_put_int(c, one, "first", query_int(&q, POSITIONS_FIRST));
        call_put_int(c, one, "last", query_int(&q, POSITIONS_LAST));
        call_put_int(c, one, "tokens", query_int(&q, POSITIONS_TOKENS));
        call_put_int(c, one, "fires", query_int(&q, POSITIONS_FIRES));
    }
    return query_end(&q, c->e);
}

static int put_groups(struct call *c, json_t *object, int64_t sae,
                      int64_t feature)
{
    json_t *array = call_put_array(c, object, "groups");
    struct query q = about(c, QUERY_GROUPS, sae, feature);
    while (query_next(&q)) {
        size_t length;
        json_t *one = call_add_object(c, array);
        call_put_text(c, one, "name", query_text(&q, GROUPS_NAME, &length));
        call_put_int(c, one, "tokens", query_int(&q, GROUPS_TOKENS));
        call_put_int(c, one, "fires", query_int(&q, GROUPS_FIRES));
    }
    return query_end(&q, c->e);
}

int relations_put(struct call *c, json_t *object, int64_t sae, int64_t feature)
{
    TRY(put_neighbours(c, object, sae, feature));
    TRY(put_pairs(c, object, sae, feature));
    TRY(put_positions(c, object, sae, feature));
    return put_groups(c, object, sae, feature);
}
