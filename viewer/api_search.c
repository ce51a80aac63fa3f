/* SPDX-License-Identifier: MIT */
#include "viewer/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/marks.h"
#include "viewer/place.h"
#include "viewer/shape.h"
#include "viewer/strings.h"

enum { LIMIT = 10, LIMIT_MAX = 50, LABELS = 5 };

/* ---- heads and features ---- */

static json_t *add_place(struct call *c, json_t *results, const char *kind,
                         const struct catalog_sae *sae)
{
    json_t *object = call_add_object(c, results);
    call_put_text(c, object, "kind", kind);
    call_put_int(c, object, "sae", sae->id);
    call_put_int(c, object, "layer", sae->layer);
    return object;
}

static void add_head(struct call *c, json_t *results,
                     const struct catalog_sae *sae, int head)
{
    char name[SHAPE_NAME];
    shape_head_name(name, sae->layer, head);
    json_t *object = add_place(c, results, "head", sae);
    call_put_int(c, object, "head", head);
    call_put_text(c, object, "name", name);
}

static void add_feature(struct call *c, json_t *results,
                        const struct catalog_sae *sae, int feature)
{
    char name[SHAPE_NAME];
    (void)snprintf(name, sizeof name, "%d:%d", sae->layer, feature);
    json_t *object = add_place(c, results, "feature", sae);
    call_put_int(c, object, "feature", feature);
    call_put_text(c, object, "name", name);
}

/* What the text would name if it existed. */
static void put_note(struct call *c, json_t *out, const struct place *p,
                     const struct catalog_sae *sae)
{
    char note[96];
    if (sae == NULL)
        (void)snprintf(note, sizeof note, "no SAE of layer %d", p->layer);
    else if (p->kind == PLACE_HEAD)
        (void)snprintf(note, sizeof note, "layer %d has heads 0 to %d",
                       p->layer, sae->heads - 1);
    else
        (void)snprintf(note, sizeof note, "layer %d has features 0 to %lld",
                       p->layer, (long long)sae->d_sae - 1);
    call_put_text(c, out, "note", note);
}

static int find_context(struct call *c, json_t *out, json_t *results,
                        const struct place *p)
{
    struct query q = query_begin(c->queries, QUERY_CONTEXT);
    query_bind(&q, p->layer);
    bool found = query_next(&q) && p->number < query_int(&q, CONTEXT_TOKENS);
    TRY(query_end(&q, c->e));
    if (!found) {
        call_put_text(c, out, "note", "no such place in the text");
        return 0;
    }
    json_t *object = call_add_object(c, results);
    call_put_text(c, object, "kind", "context");
    call_put_int(c, object, "context", p->layer);
    call_put(c, object, "position",
             p->number < 0 ? json_null() : json_integer(p->number));
    return 0;
}

static int find_places(struct call *c, json_t *out, json_t *results,
                       const char *text)
{
    struct place p = place_parse(text);
    if (p.kind == PLACE_NONE)
        return 0;
    if (p.kind == PLACE_CONTEXT)
        return find_context(c, out, results, &p);
    const struct catalog_feature *features;
    size_t n, n_saes;
    TRY(catalog_features(&features, &n, c->site->catalog, c->queries, c->e));
    const struct catalog_sae *saes = catalog_saes(c->site->catalog, &n_saes);
    const struct catalog_sae *of_layer = NULL;
    for (size_t i = 0; i < n_saes; i++) {
        if (saes[i].layer != p.layer)
            continue;
        of_layer = &saes[i];
        if (p.kind == PLACE_HEAD && p.number < saes[i].heads)
            add_head(c, results, &saes[i], p.number);
        if (p.kind == PLACE_FEATURE &&
            catalog_find(c->site->catalog, i, p.number) != NULL)
            add_feature(c, results, &saes[i], p.number);
    }
    if (json_array_size(results) == 0)
        put_note(c, out, &p, of_layer);
    return 0;
}

/* ---- tokens ---- */

struct found {
    int64_t id, count;
    int rank; /* 0: exactly the text, 1: with a space, 2: begins with it,
                 3: contains it */
};

struct finds {
    struct found all[5 * LIMIT_MAX];
    size_t n;
    int64_t limit;  /* of each query */
    int64_t within; /* 1: also those that contain the text */
};

static bool is_there(const struct finds *f, int64_t id)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->all[i].id == id)
            return true;
    return false;
}

static int take(struct finds *f, struct query *q, int rank, struct err *e)
{
    for (int64_t i = 0; i < f->limit && query_next(q); i++)
        if (!is_there(f, query_int(q, VOCAB_ID)))
            f->all[f->n++] = (struct found){query_int(q, VOCAB_ID),
                                            query_int(q, VOCAB_COUNT), rank};
    return query_end(q, e);
}

static int find_exactly(struct finds *f, struct call *c, const char *text,
                        int rank)
{
    struct query q = query_begin(c->queries, QUERY_VOCAB_BY_TEXT);
    query_bind_text(&q, text, strlen(text));
    return take(f, &q, rank, c->e);
}

static int find_some(struct finds *f, struct call *c, const char *text,
                     enum query_name name, int rank)
{
    struct query q = query_begin(c->queries, name);
    query_bind_text(&q, text, strlen(text));
    query_bind(&q, f->limit);
    return take(f, &q, rank, c->e);
}

/* The text and the text with a space in front, in the order of the ranks. */
static int find_tokens(struct finds *f, struct call *c, const char *text,
                       const char *spaced)
{
    TRY(find_exactly(f, c, text, 0));
    TRY(find_exactly(f, c, spaced, 1));
    TRY(find_some(f, c, text, QUERY_VOCAB_BY_START, 2));
    TRY(find_some(f, c, spaced, QUERY_VOCAB_BY_START, 2));
    return f->within == 0 ? 0 : find_some(f, c, text, QUERY_VOCAB_WITHIN, 3);
}

static const char *const matches[] = {"exact", "spaced", "beginning", "within"};

static int best_first(const void *left, const void *right)
{
    const struct found *a = left, *b = right;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

static int put_tokens(struct call *c, json_t *results, struct finds *f)
{
    qsort(f->all, f->n, sizeof *f->all, best_first);
    for (size_t i = 0; i < f->n; i++) {
        if (json_array_size(results) >= (size_t)f->limit)
            break;
        int64_t count;
        json_t *object = call_add_object(c, results);
        call_put_text(c, object, "kind", "token");
        TRY(shape_string_by_id(&count, c, object, f->all[i].id, false));
        call_put_int(c, object, "count", count);
        call_put_text(c, object, "match", matches[f->all[i].rank]);
    }
    return 0;
}

/* ---- a text of several tokens ---- */

/* Whether the text, or it with a space in front, is a token. */
static bool has_exact(const struct finds *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->all[i].rank < 2)
            return true;
    return false;
}

enum { PIECES = LIST_VOCABS_MAX, PIECE_BYTES = 64 };

/* The longest string of the vocabulary that the text begins with; 0: none. */
static int find_piece(size_t *length, int64_t *id, struct call *c,
                      const char *text)
{
    size_t room = strnlen(text, PIECE_BYTES);
    for (*length = room; *length > 0; --*length) {
        struct query q = query_begin(c->queries, QUERY_VOCAB_BY_TEXT);
        query_bind_text(&q, text, *length);
        bool found = query_next(&q);
        if (found)
            *id = query_int(&q, VOCAB_ID);
        TRY(query_end(&q, c->e));
        if (found)
            break;
    }
    return 0;
}

/* A text that is no token, as the longest strings it is made of; a tokenizer
 * may cut it otherwise. The first may have a space in front. */
static int cut(struct strings *pieces, struct call *c, const char *text,
               const char *spaced)
{
    *pieces = (struct strings){0};
    while (*text != '\0' && pieces->n < PIECES) {
        size_t length, with_space = 0;
        int64_t *id = &pieces->ids[pieces->n], other;
        TRY(find_piece(&length, id, c, text));
        if (pieces->n == 0)
            TRY(find_piece(&with_space, &other, c, spaced));
        if (with_space > length + 1) {
            *id = other;
            length = with_space - 1;
        }
        if (length == 0)
            break;
        pieces->n++;
        text += length;
    }
    if (*text != '\0')
        pieces->n = 0;
    return 0;
}

static int put_pieces(struct call *c, json_t *results, const char *text,
                      const char *spaced)
{
    struct strings pieces;
    TRY(cut(&pieces, c, text, spaced));
    if (pieces.n < 2)
        return 0;
    json_t *object = call_add_object(c, results);
    call_put_text(c, object, "kind", "tokens");
    return strings_put(c, object, &pieces, false);
}

/* Words are more likely meant as the tokens they are made of, part of a word
 * as the beginning of one. */
static int put_found(struct call *c, json_t *results, struct finds *f,
                     const char *text, const char *spaced)
{
    bool words = strchr(text + 1, ' ') != NULL;
    if (words && !has_exact(f))
        TRY(put_pieces(c, results, text, spaced));
    TRY(put_tokens(c, results, f));
    TRY(marks_put_found(c, results, text, LABELS));
    return words || has_exact(f) ? 0 : put_pieces(c, results, text, spaced);
}

int api_search(json_t *out, struct call *c)
{
    struct finds finds = {0};
    const char *text = target_text(c->target, "q");
    if (text == NULL)
        return call_refuse(c, 400, "q is missing");
    TRY(call_get_limit(&finds.limit, c, LIMIT, LIMIT_MAX));
    TRY(call_asked(
        c, target_int(&finds.within, c->target, "within", 0, 1, 0, c->e)));
    TRY(call_asked(c, target_finish(c->target, c->e)));
    call_put_text(c, out, "query", text);
    json_t *results = call_put_array(c, out, "results");
    if (*text == '\0')
        return 0;
    TRY(find_places(c, out, results, text));
    size_t room = strlen(text) + 2;
    char *spaced = malloc(room);
    if (spaced == NULL)
        return err_memory(c->e, "a string", room);
    (void)snprintf(spaced, room, " %s", text);
    int code = find_tokens(&finds, c, text, spaced);
    if (code == 0)
        code = put_found(c, results, &finds, text, spaced);
    free(spaced);
    return code;
}
