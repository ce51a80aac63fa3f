/* SPDX-License-Identifier: MIT */
#include "viewer/shape.h"

#include <math.h>
#include <stdio.h>

#include "base/utf8.h"
#include "viewer/marks.h"

/* Longer strings are cut in lists and windows, where a few hostile ones would
 * otherwise make megabytes. */
enum { TEXT_MAX = 256 };

enum { TOP_TOKENS_FROM = 12 }; /* examples looked at for TOPS_STRINGS */

/* ---- token strings ---- */

/* What is cut, and what is no UTF-8 because someone made the file by other
 * means, ends at the last whole character. */
static size_t shown_length(const char *text, size_t length, bool whole)
{
    bool cut = length > TEXT_MAX && !whole;
    return utf8_valid_prefix(text, cut ? TEXT_MAX : length);
}

static void put_text(struct call *c, json_t *object, const char *text,
                     size_t length, bool escaped, bool whole)
{
    size_t shown = shown_length(text, length, whole);
    call_put(c, object, "text", json_stringn(text, shown));
    if (escaped)
        call_put(c, object, "escaped", json_true());
    if (shown < length)
        call_put_int(c, object, "cut", (int64_t)length);
}

void shape_token(struct call *c, json_t *array, const char *text, size_t length,
                 bool escaped)
{
    if (escaped || shown_length(text, length, false) < length)
        put_text(c, call_add_object(c, array), text, length, escaped, false);
    else
        call_add(c, array, json_stringn(text, length));
}

void shape_string(struct call *c, json_t *object, const struct query *row,
                  bool whole)
{
    size_t length;
    const char *text = query_text(row, VOCAB_TEXT, &length);
    put_text(c, object, text, length, query_int(row, VOCAB_ESCAPED) != 0,
             whole);
    call_put_int(c, object, "vocab", query_int(row, VOCAB_ID));
}

int shape_string_by_id(int64_t *count, struct call *c, json_t *object,
                       int64_t vocab, bool whole)
{
    struct vocabulary_string kept;
    *count = 0;
    if (vocabulary_find(&kept, c->site->vocabulary, vocab)) {
        put_text(c, object, kept.text, kept.length, kept.escaped, whole);
        call_put_int(c, object, "vocab", vocab);
        *count = kept.count;
        return 0;
    }
    struct query q = query_begin(c->queries, QUERY_VOCAB);
    query_bind(&q, vocab);
    if (query_next(&q)) {
        shape_string(c, object, &q, whole);
        *count = query_int(&q, VOCAB_COUNT);
    }
    return query_end(&q, c->e);
}

int shape_token_by_id(bool *found, struct call *c, json_t *array, int64_t vocab)
{
    struct vocabulary_string kept;
    *found = vocabulary_find(&kept, c->site->vocabulary, vocab);
    if (*found) {
        shape_token(c, array, kept.text, kept.length, kept.escaped);
        return 0;
    }
    struct query q = query_begin(c->queries, QUERY_VOCAB);
    query_bind(&q, vocab);
    *found = query_next(&q);
    if (*found) {
        size_t length;
        const char *text = query_text(&q, VOCAB_TEXT, &length);
        shape_token(c, array, text, length, query_int(&q, VOCAB_ESCAPED) != 0);
    }
    return query_end(&q, c->e);
}

static bool is_among(int64_t value, const int64_t *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (values[i] == value)
            return true;
    return false;
}

static int read_top(struct tops_of *top, struct call *c)
{
    struct query q = query_begin(c->queries, top->head < 0 ? QUERY_EXAMPLE_VOCAB
                                                           : QUERY_HEAD_VOCAB);
    query_bind(&q, top->sae);
    query_bind(&q, top->feature);
    if (top->head >= 0)
        query_bind(&q, top->head);
    query_bind(&q, TOP_TOKENS_FROM);
    while (top->n < TOPS_STRINGS && query_next(&q)) {
        int64_t vocab = query_int(&q, 0);
        if (!is_among(vocab, top->vocabs, top->n))
            top->vocabs[top->n++] = vocab;
    }
    return query_end(&q, c->e);
}

int shape_top_tokens(struct call *c, json_t *object, int64_t sae,
                     int64_t feature, int head)
{
    struct tops_of top = {.sae = sae, .feature = feature, .head = head};
    if (!tops_find(&top, c->site->tops)) {
        TRY(read_top(&top, c));
        tops_keep(c->site->tops, &top);
    }
    bool found;
    json_t *tokens = call_put_array(c, object, "tokens");
    for (size_t i = 0; i < top.n; i++)
        TRY(shape_token_by_id(&found, c, tokens, top.vocabs[i]));
    return 0;
}

/* ---- rows of the list ---- */

/* A number per head, to three decimals: what a strip of bars can show. */
static int put_shares(struct call *c, json_t *row, int64_t sae, int64_t feature,
                      int heads)
{
    json_t *shares = call_put_array(c, row, "shares");
    struct query q = query_begin(c->queries, QUERY_FEATURE_HEADS);
    query_bind(&q, sae);
    query_bind(&q, feature);
    while (json_array_size(shares) < (size_t)heads && query_next(&q)) {
        double share = query_real(&q, FEATURE_HEADS_DATA);
        call_add(c, shares, call_real(round(share * 1000) / 1000));
    }
    return query_end(&q, c->e);
}

int shape_row(struct call *c, json_t *row, const struct list_item *item,
              int head)
{
    const struct catalog_feature *f = item->feature;
    const struct catalog_sae *s = call_sae(c, (size_t)f->sae);
    call_put_int(c, row, "sae", s->id);
    call_put_int(c, row, "layer", s->layer);
    call_put_int(c, row, "feature", f->feature);
    call_put_int(c, row, "fires", f->fires);
    call_put_real(c, row, "density", f->density);
    call_put_real(c, row, "max", f->max);
    call_put_real(c, row, "mean", f->mean);
    call_put(c, row, "top_head",
             f->top_head < 0 ? json_null() : json_integer(f->top_head));
    call_put_real(c, row, "top_share", f->top_share);
    call_put_real(c, row, "share", item->share);
    call_put_real(c, row, "entropy", f->entropy);
    marks_put_row(c, row, f);
    TRY(put_shares(c, row, s->id, f->feature, s->heads));
    return shape_top_tokens(c, row, s->id, f->feature, head);
}

static void put_on_token(struct call *c, json_t *row,
                         const struct list_item *item)
{
    json_t *on = call_put_object(c, row, "on_token");
    call_put_int(c, on, "count", item->count);
    call_put_real(c, on, "max", item->max);
    call_put_real(c, on, "mean", item->mean);
}

static void put_from_source(struct call *c, json_t *row,
                            const struct list_item *item)
{
    json_t *from = call_put_object(c, row, "from_source");
    call_put_int(c, from, "count", item->count);
    call_put_real(c, from, "share", item->max);
}

static int put_rows(struct call *c, json_t *rows, const struct list *list,
                    const struct list_wanted *wanted)
{
    for (size_t i = 0; i < list->n; i++) {
        json_t *row = call_add_object(c, rows);
        TRY(shape_row(c, row, &list->items[i],
                      wanted->by_head_share ? wanted->head : -1));
        if (wanted->by_vocab)
            put_on_token(c, row, &list->items[i]);
        if (wanted->by_source)
            put_from_source(c, row, &list->items[i]);
    }
    return 0;
}

/* Where the next page begins, if there is one. */
static void put_next(struct call *c, json_t *out, const struct list *list)
{
    if (list->n == 0 || list->before + list->n >= list->total) {
        call_put(c, out, "next", json_null());
        return;
    }
    const struct catalog_feature *f = list->items[list->n - 1].feature;
    char next[CALL_NEXT];
    (void)snprintf(next, sizeof next, "%lld:%lld",
                   (long long)call_sae(c, (size_t)f->sae)->id,
                   (long long)f->feature);
    call_put_text(c, out, "next", next);
}

int shape_rows(struct call *c, json_t *out, const struct list_wanted *wanted)
{
    struct list list;
    TRY(call_list(&list, c, wanted));
    int code = 0;
    call_put_int(c, out, "total", (int64_t)list.total);
    call_put_int(
        c, out, "offset",
        (int64_t)(wanted->after == NULL ? wanted->offset : list.before));
    call_put_int(c, out, "limit", (int64_t)wanted->limit);
    put_next(c, out, &list);
    if (list.lost)
        code = call_refuse(c, 400, "after is no row of this list");
    if (code == 0)
        code = put_rows(c, call_put_array(c, out, "rows"), &list, wanted);
    list_free(&list);
    return code;
}

void shape_head_name(char out[SHAPE_NAME], int layer, int64_t head)
{
    (void)snprintf(out, SHAPE_NAME, "L%dH%lld", layer, (long long)head);
}
