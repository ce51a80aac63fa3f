/* SPDX-License-Identifier: MIT */
#include "viewer/api.h"

#include <math.h>

#include "viewer/shape.h"

/* One activation, and what the file has on the heads it comes through: whose
 * code it is, in the sample; the DFA of heads that have the token among their
 * examples; and what the kept sources of an example add through each. */

enum { HEADS_MAX = 64 }; /* bits of activation_by_token.heads */

struct part {
    double share;                 /* of the head, over all active tokens */
    double contribution, sources; /* NaN: not kept */
};

struct activation {
    size_t place; /* of the SAE in the catalog */
    int64_t sae, feature, token;
    bool sampled;
    int64_t level; /* 0: silent, or not known */
    uint64_t codes;
    struct part heads[HEADS_MAX];
    int n;
};

/* The part of a head; NULL for a head that a sound file does not have. */
static struct part *part_of(struct activation *a, int64_t head)
{
    return head >= 0 && head < a->n ? &a->heads[head] : NULL;
}

static struct query about(struct call *c, const struct activation *a,
                          enum query_name name)
{
    struct query q = query_begin(c->queries, name);
    query_bind(&q, a->sae);
    query_bind(&q, a->feature);
    return q;
}

static int read_shares(struct activation *a, struct call *c)
{
    for (int h = 0; h < HEADS_MAX; h++)
        a->heads[h] = (struct part){(double)NAN, (double)NAN, (double)NAN};
    struct query q = about(c, a, QUERY_FEATURE_HEADS);
    while (query_next(&q)) {
        struct part *part = part_of(a, query_int(&q, FEATURE_HEADS_HEAD));
        if (part != NULL)
            part->share = query_real(&q, FEATURE_HEADS_DATA);
    }
    return query_end(&q, c->e);
}

static int read_contributions(struct activation *a, struct call *c)
{
    struct query q = about(c, a, QUERY_CONTRIBUTIONS);
    query_bind(&q, a->token);
    while (query_next(&q)) {
        struct part *part = part_of(a, query_int(&q, CONTRIBUTIONS_HEAD));
        if (part == NULL)
            continue;
        part->contribution = query_real(&q, CONTRIBUTIONS_CONTRIBUTION);
        a->level = query_int(&q, CONTRIBUTIONS_LEVEL) & 255;
    }
    return query_end(&q, c->e);
}

static int read_sources(struct activation *a, struct call *c)
{
    struct query q = about(c, a, QUERY_SOURCES);
    query_bind(&q, a->token);
    while (query_next(&q)) {
        struct part *part = part_of(a, query_int(&q, SOURCES_HEAD));
        if (part != NULL)
            part->sources = query_real(&q, SOURCES_CONTRIBUTION) +
                            (isnan(part->sources) ? 0 : part->sources);
    }
    return query_end(&q, c->e);
}

/* The level, in the sample or near an example; the codes, in the sample. */
static int read_level(struct activation *a, struct call *c)
{
    struct query q = about(c, a, QUERY_LEVELS);
    query_bind(&q, a->token);
    query_bind(&q, a->token);
    if (query_next(&q))
        a->level = query_int(&q, LEVELS_LEVEL) & 255;
    TRY(query_end(&q, c->e));
    q = query_begin(c->queries, QUERY_CODE_HEADS);
    query_bind(&q, a->sae);
    query_bind(&q, a->token);
    query_bind(&q, a->feature);
    if (query_next(&q))
        a->codes = (uint64_t)query_int(&q, 0);
    return query_end(&q, c->e);
}

/* Where the token stands. */
static int put_place(struct activation *a, struct call *c, json_t *out)
{
    struct query q = query_begin(c->queries, QUERY_TOKEN);
    query_bind(&q, a->token);
    bool found = query_next(&q);
    int64_t context = found ? query_int(&q, TOKEN_CONTEXT) : 0;
    if (found) {
        call_put_int(c, out, "context", context);
        call_put_int(c, out, "position", query_int(&q, TOKEN_POSITION));
    }
    TRY(query_end(&q, c->e));
    if (!found)
        return call_refuse(c, 404, "no token %lld", (long long)a->token);
    q = query_begin(c->queries, QUERY_CONTEXT);
    query_bind(&q, context);
    size_t length;
    const char *group = NULL;
    if (query_next(&q)) {
        a->sampled = query_int(&q, CONTEXT_SAMPLED) != 0;
        if (!query_is_null(&q, CONTEXT_GROUP))
            group = query_text(&q, CONTEXT_GROUP, &length);
    }
    if (group != NULL)
        call_put_text(c, out, "group", group);
    else
        call_put(c, out, "group", json_null());
    return query_end(&q, c->e);
}

static void put_heads(struct call *c, json_t *out, const struct activation *a)
{
    json_t *heads = call_put_array(c, out, "heads");
    for (int h = 0; h < a->n; h++) {
        char name[SHAPE_NAME];
        json_t *one = call_add_object(c, heads);
        shape_head_name(name, call_sae(c, a->place)->layer, h);
        call_put_int(c, one, "head", h);
        call_put_text(c, one, "name", name);
        call_put_real(c, one, "data_share", a->heads[h].share);
        call_put_real(c, one, "contribution", a->heads[h].contribution);
        call_put_real(c, one, "from_sources", a->heads[h].sources);
        call_put(c, one, "code",
                 a->sampled ? json_boolean(a->codes >> h & 1) : json_null());
    }
}

int api_activation(json_t *out, struct call *c)
{
    struct activation a = {0};
    TRY(call_get_sae(&a.place, c));
    TRY(call_get_number(&a.feature, c, "feature"));
    TRY(call_get_number(&a.token, c, "token"));
    TRY(call_asked(c, target_finish(c->target, c->e)));
    const struct catalog_sae *s = call_sae(c, a.place);
    a.sae = s->id;
    a.n = s->heads < HEADS_MAX ? s->heads : HEADS_MAX;
    if (a.feature >= s->d_sae)
        return call_refuse(c, 404, "%s has features 0 to %lld", s->name,
                           (long long)s->d_sae - 1);
    call_put_int(c, out, "sae", a.sae);
    call_put_int(c, out, "feature", a.feature);
    call_put_int(c, out, "token", a.token);
    TRY(put_place(&a, c, out));
    TRY(read_shares(&a, c));
    TRY(read_contributions(&a, c));
    TRY(read_sources(&a, c));
    TRY(read_level(&a, c));
    call_put(c, out, "sampled", json_boolean(a.sampled));
    call_put(c, out, "level",
             a.level > 0 || a.sampled ? json_integer(a.level) : json_null());
    put_heads(c, out, &a);
    return 0;
}
