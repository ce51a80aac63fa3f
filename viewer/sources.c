/* SPDX-License-Identifier: MIT */
#include "viewer/sources.h"

#include "viewer/shape.h"

/* ---- of an example ---- */

struct source {
    int64_t token;
    double contribution;
};

/* The token with the largest sum, the first of equals. */
static int64_t strongest(const struct source *all, size_t n)
{
    int64_t top = -1;
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t j = 0; j < n; j++)
            sum += all[j].token == all[i].token ? all[j].contribution : 0;
        if (sum > most) {
            most = sum;
            top = all[i].token;
        }
    }
    return top;
}

int sources_put_example(int64_t *top, struct call *c, json_t *object,
                        const struct sources_place *place, int64_t head)
{
    struct source all[SOURCES_MAX];
    size_t n = 0;
    json_t *array = call_put_array(c, object, "sources");
    struct query q = query_begin(c->queries, QUERY_SOURCES);
    query_bind(&q, place->sae);
    query_bind(&q, place->feature);
    query_bind(&q, place->token);
    while (n < SOURCES_MAX && query_next(&q)) {
        int64_t through = query_int(&q, SOURCES_HEAD);
        int64_t token = query_int(&q, SOURCES_SOURCE);
        /* Outside its context only in a damaged file. */
        if (token < place->first || token > place->token ||
            (head >= 0 && through != head))
            continue;
        all[n] = (struct source){token, query_real(&q, SOURCES_CONTRIBUTION)};
        json_t *one = call_add_object(c, array);
        call_put_int(c, one, "head", through);
        call_put_int(c, one, "token", token);
        call_put_int(c, one, "position",
                     place->position - (place->token - token));
        call_put_real(c, one, "contribution", all[n++].contribution);
    }
    *top = strongest(all, n);
    return query_end(&q, c->e);
}

/* ---- of a feature ---- */

static int put_distances(struct call *c, json_t *object, int64_t sae,
                         int64_t feature)
{
    json_t *array = call_put_array(c, object, "distances");
    struct query q = query_begin(c->queries, QUERY_SOURCE_OFFSETS);
    query_bind(&q, sae);
    query_bind(&q, feature);
    while (query_next(&q)) {
        json_t *one = call_add_object(c, array);
        call_put_int(c, one, "first", query_int(&q, SOURCE_OFFSETS_FIRST));
        call_put_int(c, one, "last", query_int(&q, SOURCE_OFFSETS_LAST));
        call_put_real(c, one, "share", query_real(&q, SOURCE_OFFSETS_SHARE));
        call_put_int(c, one, "count", query_int(&q, SOURCE_OFFSETS_COUNT));
    }
    return query_end(&q, c->e);
}

static int put_strings(struct call *c, json_t *object, int64_t sae,
                       int64_t feature)
{
    int code = 0;
    json_t *array = call_put_array(c, object, "strings");
    struct query q = query_begin(c->queries, QUERY_SOURCE_TOKENS);
    query_bind(&q, sae);
    query_bind(&q, feature);
    while (code == 0 && query_next(&q)) {
        int64_t occurrences;
        json_t *one = call_add_object(c, array);
        code = shape_string_by_id(&occurrences, c, one,
                                  query_int(&q, SOURCE_TOKENS_VOCAB), false);
        call_put_real(c, one, "share", query_real(&q, SOURCE_TOKENS_SHARE));
        call_put_int(c, one, "count", query_int(&q, SOURCE_TOKENS_COUNT));
    }
    int ended = query_end(&q, c->e);
    return code != 0 ? code : ended;
}

int sources_put_feature(struct call *c, json_t *object, int64_t sae,
                        int64_t feature)
{
    int64_t tokens = 0;
    struct query q = query_begin(c->queries, QUERY_SOURCE_SAMPLE);
    query_bind(&q, sae);
    if (query_next(&q))
        tokens = query_int(&q, 0);
    TRY(query_end(&q, c->e));
    if (tokens == 0) {
        call_put(c, object, "sources", json_null());
        return 0;
    }
    json_t *sources = call_put_object(c, object, "sources");
    call_put_int(c, sources, "tokens", tokens);
    TRY(put_distances(c, sources, sae, feature));
    return put_strings(c, sources, sae, feature);
}
