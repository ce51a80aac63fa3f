/* SPDX-License-Identifier: MIT */
#include "viewer/window.h"

#include <string.h>

#include "viewer/shape.h"
#include "viewer/sources.h"

/* The part of the context [first, last] around a token. */
static struct window window_around(int64_t token, int64_t first, int64_t last,
                                   int64_t width)
{
    return (struct window){token - first < width ? first : token - width, token,
                           last - token < width ? last : token + width};
}

/* False if the file says that the token is not in its context. Differences are
 * taken only of numbers in range, whatever the file holds. */
static bool find_window(struct window *w, const struct query *row,
                        int64_t width)
{
    static const int64_t most = INT64_C(1) << 53;
    int64_t first = query_int(row, EXAMPLE_FIRST);
    int64_t tokens = query_int(row, EXAMPLE_TOKENS);
    w->token = query_int(row, EXAMPLE_TOKEN);
    if (first < 0 || tokens < 0 || w->token < first || w->token > most ||
        tokens > most || w->token >= first + tokens)
        return false;
    *w = window_around(w->token, first, first + tokens - 1, width);
    return true;
}

int window_put_tokens(struct call *c, json_t *object, const struct window *w)
{
    json_t *tokens = call_put_array(c, object, "tokens");
    struct query q = query_begin(c->queries, QUERY_WINDOW);
    query_bind(&q, w->first);
    query_bind(&q, w->last);
    int code = 0;
    while (code == 0 && query_next(&q)) {
        bool found = false;
        if (!query_is_null(&q, WINDOW_VOCAB))
            code = shape_token_by_id(&found, c, tokens,
                                     query_int(&q, WINDOW_VOCAB));
        if (!found)
            call_add(c, tokens, json_null());
    }
    int ended = query_end(&q, c->e);
    return code != 0 ? code : ended;
}

/* Where the levels of a window are known: all of a context in the sample, else
 * what is near the example. */
static struct window known_around(const struct query *row, int64_t reach)
{
    int64_t token = query_int(row, EXAMPLE_TOKEN);
    if (query_int(row, EXAMPLE_SAMPLED) != 0)
        return (struct window){INT64_MIN, token, INT64_MAX};
    return (struct window){token - reach, token, token + reach};
}

int window_put_levels(struct call *c, json_t *object, const struct window *w,
                      const struct window *known, int64_t sae, int64_t feature)
{
    int levels[2 * WINDOW_FULL + 1] = {0};
    struct query q = query_begin(c->queries, QUERY_LEVELS);
    query_bind(&q, sae);
    query_bind(&q, feature);
    query_bind(&q, w->first);
    query_bind(&q, w->last);
    while (query_next(&q)) {
        /* The file may have made a view of the table, which gives another
         * token here than it compared. */
        uint64_t at =
            (uint64_t)query_int(&q, LEVELS_TOKEN) - (uint64_t)w->first;
        if (at <= (uint64_t)(w->last - w->first))
            levels[at] = (int)(query_int(&q, LEVELS_LEVEL) & 255);
    }
    TRY(query_end(&q, c->e));
    json_t *array = call_put_array(c, object, "levels");
    for (int64_t i = 0; i <= w->last - w->first; i++) {
        bool is_known = levels[i] > 0 || (w->first + i >= known->first &&
                                          w->first + i <= known->last);
        call_add(c, array, is_known ? json_integer(levels[i]) : json_null());
    }
    return 0;
}

static int put_source_window(struct call *c, json_t *object,
                             const struct window *w, const struct window *known,
                             const struct sources_place *place)
{
    json_t *source = call_put_object(c, object, "source_window");
    call_put_int(c, source, "token", w->token);
    call_put_int(c, source, "position",
                 place->position - (place->token - w->token));
    call_put_int(c, source, "peak", w->token - w->first);
    TRY(window_put_tokens(c, source, w));
    return window_put_levels(c, source, w, known, place->sae, place->feature);
}

/* `row` has been looked at by find_window. */
static int put_sources(struct call *c, json_t *object, const struct query *row,
                       const struct window *known,
                       const struct window_view *view)
{
    int64_t top;
    const struct sources_place place = {
        .sae = view->sae,
        .feature = query_int(row, EXAMPLE_FEATURE),
        .token = query_int(row, EXAMPLE_TOKEN),
        .first = query_int(row, EXAMPLE_FIRST),
        .position = query_int(row, EXAMPLE_POSITION)};
    TRY(sources_put_example(&top, c, object, &place, view->head));
    if (top < 0)
        return 0;
    struct window w = window_around(
        top, place.first, place.first + query_int(row, EXAMPLE_TOKENS) - 1,
        view->window < WINDOW_SOURCE ? view->window : WINDOW_SOURCE);
    return put_source_window(c, object, &w, known, &place);
}

int window_get_width(int64_t *out, struct call *c)
{
    const char *text = target_text(c->target, "window");
    *out = WINDOW_FULL;
    if (text != NULL && strcmp(text, "full") == 0)
        return 0;
    return call_asked(c, target_int(out, c->target, "window", 0, WINDOW_MAX,
                                    WINDOW_USUAL, c->e));
}

int window_put_example(struct call *c, json_t *object, const struct query *row,
                       const struct window_view *view)
{
    struct window w;
    if (!find_window(&w, row, view->window))
        return call_refuse(c, 500,
                           "the database is damaged: an example lies outside "
                           "its context");
    struct window known = known_around(row, view->reach);
    call_put_int(c, object, "rank", query_int(row, EXAMPLE_RANK));
    if (!query_is_null(row, EXAMPLE_INTERVAL))
        call_put_int(c, object, "interval", query_int(row, EXAMPLE_INTERVAL));
    if (!query_is_null(row, EXAMPLE_CONTRIBUTION))
        call_put_real(c, object, "contribution",
                      query_real(row, EXAMPLE_CONTRIBUTION));
    call_put_real(c, object, "value", query_real(row, EXAMPLE_VALUE));
    call_put_int(c, object, "token", w.token);
    call_put_int(c, object, "context", query_int(row, EXAMPLE_CONTEXT));
    call_put_int(c, object, "position", query_int(row, EXAMPLE_POSITION));
    call_put_int(c, object, "peak", w.token - w.first);
    TRY(window_put_tokens(c, object, &w));
    TRY(window_put_levels(c, object, &w, &known, view->sae,
                          query_int(row, EXAMPLE_FEATURE)));
    return put_sources(c, object, row, &known, view);
}

int window_put_examples(struct call *c, json_t *array, struct query *q,
                        const struct window_view *view)
{
    int code = 0;
    while (code == 0 && query_next(q))
        code = window_put_example(c, call_add_object(c, array), q, view);
    int ended = query_end(q, c->e);
    return code != 0 ? code : ended;
}
