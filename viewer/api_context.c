/* SPDX-License-Identifier: MIT */
#include "viewer/api.h"

#include <stdio.h>

#include "viewer/shape.h"
#include "viewer/window.h"

/* A part of a context, the token in it that is asked about, and the features
 * that are laid over it. */
struct asked {
    int64_t context, position; /* position -1: none */
    struct window part;        /* token: the one at the position, or -1 */
    bool sampled;
};

/* A number in the first half of a file's range: what differences are taken
 * of, whatever the file holds. */
static bool is_sane(int64_t number)
{
    return number >= 0 && number <= INT64_C(1) << 53;
}

/* ---- which context ---- */

static int find_token(struct asked *a, struct call *c, int64_t token)
{
    struct query q = query_begin(c->queries, QUERY_TOKEN);
    query_bind(&q, token);
    bool found = query_next(&q);
    if (found) {
        a->context = query_int(&q, TOKEN_CONTEXT);
        a->position = query_int(&q, TOKEN_POSITION);
    }
    TRY(query_end(&q, c->e));
    return found ? 0 : call_refuse(c, 404, "no token %lld", (long long)token);
}

/* -1: there is none. */
static int find_beside(int64_t *out, struct call *c, enum query_name name,
                       int64_t context)
{
    struct query q = query_begin(c->queries, name);
    query_bind(&q, context);
    *out = query_next(&q) ? query_int(&q, 0) : -1;
    return query_end(&q, c->e);
}

static int get_asked(struct asked *a, struct call *c)
{
    int64_t token;
    struct target *t = c->target;
    TRY(call_asked(c, target_int(&token, t, "token", 0, INT64_MAX, -1, c->e)));
    TRY(call_asked(
        c, target_int(&a->context, t, "context", 0, INT64_MAX, -1, c->e)));
    TRY(call_asked(
        c, target_int(&a->position, t, "position", 0, INT64_MAX, -1, c->e)));
    if (token >= 0 && (a->context >= 0 || a->position >= 0))
        return call_refuse(c, 400, "give token, or context and position");
    if (token >= 0)
        return find_token(a, c, token);
    if (a->context < 0)
        TRY(find_beside(&a->context, c, QUERY_CONTEXT_AFTER, -1));
    if (a->context < 0)
        return call_refuse(c, 404, "the database has no context");
    return 0;
}

/* ---- the text ---- */

/* The part of the context that holds the position. */
static void choose_part(struct asked *a, int64_t first, int64_t tokens)
{
    int64_t at = a->position < 0 ? 0 : a->position;
    int64_t from = at / WINDOW_TOKENS * WINDOW_TOKENS;
    int64_t n = tokens - from < WINDOW_TOKENS ? tokens - from : WINDOW_TOKENS;
    a->part = (struct window){first + from,
                              a->position < 0 ? -1 : first + a->position,
                              first + from + n - 1};
}

static int put_context(struct call *c, json_t *out, struct asked *a)
{
    struct query q = query_begin(c->queries, QUERY_CONTEXT);
    query_bind(&q, a->context);
    bool found = query_next(&q);
    int64_t first = 0, tokens = 0;
    if (found) {
        size_t length;
        first = query_int(&q, CONTEXT_FIRST);
        tokens = query_int(&q, CONTEXT_TOKENS);
        a->sampled = query_int(&q, CONTEXT_SAMPLED) != 0;
        call_put_int(c, out, "context", a->context);
        call_put_int(c, out, "dump", query_int(&q, CONTEXT_DUMP));
        call_put_int(c, out, "n_tokens", tokens);
        call_put(c, out, "sampled", json_boolean(a->sampled));
        if (query_is_null(&q, CONTEXT_GROUP))
            call_put(c, out, "group", json_null());
        else
            call_put_text(c, out, "group",
                          query_text(&q, CONTEXT_GROUP, &length));
    }
    TRY(query_end(&q, c->e));
    if (!found)
        return call_refuse(c, 404, "no context %lld", (long long)a->context);
    if (!is_sane(first) || !is_sane(tokens) || tokens == 0)
        return call_refuse(c, 500,
                           "the database is damaged: context %lld has "
                           "no place",
                           (long long)a->context);
    if (a->position >= tokens)
        return call_refuse(c, 404, "context %lld has positions 0 to %lld",
                           (long long)a->context, (long long)tokens - 1);
    choose_part(a, first, tokens);
    call_put_int(c, out, "first_token", a->part.first);
    call_put_int(c, out, "first_position", a->part.first - first);
    return window_put_tokens(c, out, &a->part);
}

/* The contexts of the sample on either side. */
static int put_beside(struct call *c, json_t *out, const struct asked *a)
{
    static const struct {
        const char *name;
        enum query_name query;
    } sides[] = {{"previous", QUERY_CONTEXT_BEFORE},
                 {"next", QUERY_CONTEXT_AFTER}};
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        int64_t id;
        TRY(find_beside(&id, c, sides[i].query, a->context));
        call_put(c, out, sides[i].name,
                 id < 0 ? json_null() : json_integer(id));
    }
    return 0;
}

/* ---- features at the token ---- */

static void put_code_heads(struct call *c, json_t *row, uint64_t bits)
{
    json_t *heads = call_put_array(c, row, "heads");
    for (int h = 0; h < 64; h++)
        if (bits >> h & 1)
            call_add(c, heads, json_integer(h));
}

static int put_active(struct call *c, json_t *row, const struct query *q,
                      const struct catalog_sae *sae)
{
    int64_t feature = query_int(q, ACTIVE_FEATURE);
    int64_t level = query_int(q, ACTIVE_LEVEL);
    call_put_int(c, row, "sae", sae->id);
    call_put_int(c, row, "layer", sae->layer);
    call_put_int(c, row, "feature", feature);
    call_put_int(c, row, "level", level);
    call_put_real(c, row, "value",
                  ((double)level - 0.5) * query_real(q, ACTIVE_SCALE));
    call_put_real(c, row, "max", query_real(q, ACTIVE_MAX));
    call_put_real(c, row, "density", query_real(q, ACTIVE_DENSITY));
    call_put(c, row, "top_head",
             query_is_null(q, ACTIVE_TOP_HEAD)
                 ? json_null()
                 : json_integer(query_int(q, ACTIVE_TOP_HEAD)));
    put_code_heads(c, row, (uint64_t)query_int(q, ACTIVE_HEADS));
    return shape_top_tokens(c, row, sae->id, feature, -1);
}

static int put_rows(struct call *c, json_t *out, int64_t token)
{
    size_t n;
    json_t *rows = call_put_array(c, out, "rows");
    (void)catalog_saes(c->site->catalog, &n);
    for (size_t i = 0; i < n && token >= 0; i++) {
        int code = 0;
        const struct catalog_sae *sae = call_sae(c, i);
        struct query q = query_begin(c->queries, QUERY_ACTIVE);
        query_bind(&q, sae->id);
        query_bind(&q, token);
        while (code == 0 && query_next(&q))
            code = put_active(c, call_add_object(c, rows), &q, sae);
        int ended = query_end(&q, c->e);
        TRY(code != 0 ? code : ended);
    }
    return 0;
}

/* ---- features laid over the text ---- */

enum { OVERLAYS = 2 };

/* A feature named as in the address of an SAE: "3:117". */
static int get_overlays(struct call_feature out[OVERLAYS], struct call *c)
{
    static const char *const names[OVERLAYS] = {"one", "two"};
    for (int i = 0; i < OVERLAYS; i++)
        TRY(call_get_feature(&out[i], c, names[i]));
    return 0;
}

static int put_overlay(struct call *c, json_t *array, const struct asked *a,
                       const struct call_feature *o)
{
    static const char *const names[] = {"scale", "max", "density"};
    const struct window all = {INT64_MIN, 0, INT64_MAX}, none = {1, 0, 0};
    struct query q = query_begin(c->queries, QUERY_FEATURE);
    query_bind(&q, o->sae);
    query_bind(&q, o->feature);
    json_t *row = query_next(&q) ? query_object(&q) : NULL;
    TRY(query_end(&q, c->e));
    if (row == NULL)
        return call_refuse(c, 404, "no feature %lld of SAE %lld",
                           (long long)o->feature, (long long)o->sae);
    json_t *object = call_add_object(c, array);
    call_put_int(c, object, "sae", o->sae);
    call_put_int(c, object, "feature", o->feature);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        call_put(c, object, names[i],
                 json_incref(json_object_get(row, names[i])));
    json_decref(row);
    return window_put_levels(c, object, &a->part, a->sampled ? &all : &none,
                             o->sae, o->feature);
}

int api_context(json_t *out, struct call *c)
{
    struct asked a = {0};
    struct call_feature overlays[OVERLAYS];
    TRY(get_asked(&a, c));
    TRY(get_overlays(overlays, c));
    TRY(call_asked(c, target_finish(c->target, c->e)));
    TRY(put_context(c, out, &a));
    TRY(put_beside(c, out, &a));
    if (a.position >= 0) {
        call_put_int(c, out, "position", a.position);
        call_put_int(c, out, "token", a.part.token);
    }
    json_t *array = call_put_array(c, out, "overlays");
    for (int i = 0; i < OVERLAYS; i++)
        if (overlays[i].asked)
            TRY(put_overlay(c, array, &a, &overlays[i]));
    return put_rows(c, out, a.part.token);
}
