/* SPDX-License-Identifier: MIT */
#include "viewer/api.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/marks.h"
#include "viewer/relations.h"
#include "viewer/shape.h"
#include "viewer/sources.h"
#include "viewer/window.h"

static const char kinds[] = "top|width|count|random|silent";
static const char *const kind_names[] = {"top", "width", "count", "random",
                                         "silent"};

enum {
    EXAMPLES = 50,        /* as many as are kept, within reason */
    HEAD_TOKENS = 8,      /* strings per head */
    STRINGS_OF_EACH = 16, /* the strongest, the most frequent */
    BINS = 51,            /* of schema.sql */
    LEVELS_PER_BIN = 5,
};

/* Which feature, and how it is to be shown. */
struct asked {
    size_t place; /* of the SAE in the catalog */
    int64_t sae, feature, head, window;
    int kind; /* index of kind_names */
};

static int get_asked(struct asked *a, struct call *c)
{
    TRY(call_get_sae(&a->place, c));
    TRY(call_get_number(&a->feature, c, "feature"));
    TRY(window_get_width(&a->window, c));
    TRY(call_asked(c,
                   target_choice(&a->kind, c->target, "kind", kinds, 0, c->e)));
    TRY(call_asked(
        c, target_int(&a->head, c->target, "head", 0, INT32_MAX, -1, c->e)));
    bool both = target_has(c->target, "kind") && a->head >= 0;
    TRY(call_asked(c, target_finish(c->target, c->e)));
    if (both)
        return call_refuse(c, 400, "kind and head exclude each other");
    const struct catalog_sae *s = call_sae(c, a->place);
    a->sae = s->id;
    if (a->head >= s->heads)
        return call_refuse(c, 404, "%s has heads 0 to %d", s->name,
                           s->heads - 1);
    return 0;
}

static struct query about(struct call *c, enum query_name name,
                          const struct asked *a)
{
    struct query q = query_begin(c->queries, name);
    query_bind(&q, a->sae);
    query_bind(&q, a->feature);
    return q;
}

/* The figures: the members of the row of table feature. */
static int put_figures(struct call *c, json_t *out, const struct asked *a)
{
    const struct catalog_sae *s = call_sae(c, a->place);
    struct query q = about(c, QUERY_FEATURE, a);
    json_t *row = query_next(&q) ? query_object(&q) : NULL;
    TRY(query_end(&q, c->e));
    if (row == NULL)
        return call_refuse(c, 404, "%s has features 0 to %lld", s->name,
                           (long long)s->d_sae - 1);
    call_put_int(c, out, "sae", a->sae);
    call_put_int(c, out, "layer", s->layer);
    if (json_object_update(out, row) != 0)
        c->lost = true;
    json_decref(row);
    return 0;
}

/* ---- heads ---- */

/* A string that the feature fires on through a head, at its strongest. */
struct head_token {
    int64_t vocab;
    double contribution, value;
};

static bool is_among(int64_t vocab, const struct head_token *tokens, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (tokens[i].vocab == vocab)
            return true;
    return false;
}

/* What one head has of `rows`, which come by head and stand at their next;
 * `more` says whether there is one. Returns how many tokens. */
static size_t take_head_tokens(struct head_token tokens[HEAD_TOKENS],
                               struct query *rows, bool *more, int64_t head)
{
    size_t n = 0;
    for (; *more && query_int(rows, HEADS_VOCAB_HEAD) <= head;
         *more = query_next(rows)) {
        int64_t vocab = query_int(rows, HEADS_VOCAB_VOCAB);
        if (query_int(rows, HEADS_VOCAB_HEAD) == head && n < HEAD_TOKENS &&
            !is_among(vocab, tokens, n))
            tokens[n++] = (struct head_token){
                vocab, query_real(rows, HEADS_VOCAB_CONTRIBUTION),
                query_real(rows, HEADS_VOCAB_VALUE)};
    }
    return n;
}

static int put_head_tokens(struct call *c, json_t *object, struct query *rows,
                           bool *more, int64_t head)
{
    struct head_token tokens[HEAD_TOKENS];
    size_t n = take_head_tokens(tokens, rows, more, head);
    json_t *array = call_put_array(c, object, "tokens");
    for (size_t i = 0; i < n; i++) {
        int64_t count;
        json_t *one = call_add_object(c, array);
        TRY(shape_string_by_id(&count, c, one, tokens[i].vocab, false));
        call_put_real(c, one, "contribution", tokens[i].contribution);
        call_put_real(c, one, "value", tokens[i].value);
    }
    return 0;
}

static int put_heads(struct call *c, json_t *out, const struct asked *a)
{
    int layer = call_sae(c, a->place)->layer;
    json_t *heads = call_put_array(c, out, "heads");
    int code = 0;
    struct query q = about(c, QUERY_FEATURE_HEADS, a);
    struct query tokens = about(c, QUERY_HEADS_VOCAB, a);
    bool more = query_next(&tokens);
    while (code == 0 && query_next(&q)) {
        char name[SHAPE_NAME];
        int64_t head = query_int(&q, FEATURE_HEADS_HEAD);
        json_t *object = call_add_object(c, heads);
        shape_head_name(name, layer, head);
        call_put_int(c, object, "head", head);
        call_put_text(c, object, "name", name);
        call_put_real(c, object, "weight_share",
                      query_real(&q, FEATURE_HEADS_WEIGHT));
        call_put_real(c, object, "data_share",
                      query_real(&q, FEATURE_HEADS_DATA));
        code = put_head_tokens(c, object, &tokens, &more, head);
    }
    int ended = query_end(&tokens, c->e);
    if (code == 0)
        code = ended;
    ended = query_end(&q, c->e);
    return code != 0 ? code : ended;
}

/* ---- histogram ---- */

static int put_histogram(struct call *c, json_t *out, const struct asked *a)
{
    int64_t counts[BINS] = {0};
    struct query q = about(c, QUERY_HISTOGRAM, a);
    while (query_next(&q)) {
        int64_t bin = query_int(&q, HISTOGRAM_BIN);
        if (bin >= 0 && bin < BINS)
            counts[bin] = query_int(&q, HISTOGRAM_COUNT);
    }
    TRY(query_end(&q, c->e));
    json_t *histogram = call_put_object(c, out, "histogram");
    call_put_int(c, histogram, "levels_per_bin", LEVELS_PER_BIN);
    json_t *array = call_put_array(c, histogram, "counts");
    for (int b = 0; b < BINS; b++)
        call_add(c, array, json_integer(counts[b]));
    return 0;
}

/* ---- strings ---- */

struct string {
    int64_t vocab, count;
    double max, mean;
    int64_t use; /* how often it occurs */
};

static int by_max(const void *left, const void *right)
{
    const struct string *a = left, *b = right;
    if (a->max != b->max)
        return a->max > b->max ? -1 : 1;
    return (a->vocab > b->vocab) - (a->vocab < b->vocab);
}

static int by_count(const void *left, const void *right)
{
    const struct string *a = left, *b = right;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return by_max(left, right);
}

static int read_strings(struct string **out, size_t *n, struct call *c,
                        const struct asked *a)
{
    size_t room = 0;
    int code = 0;
    struct query q = about(c, QUERY_STRINGS, a);
    while (query_next(&q)) {
        if (*n == room) {
            room = room == 0 ? 64 : 2 * room;
            struct string *grown = realloc(*out, room * sizeof *grown);
            if (grown == NULL) {
                code = err_memory(c->e, "strings", room * sizeof *grown);
                break;
            }
            *out = grown;
        }
        (*out)[(*n)++] = (struct string){
            query_int(&q, STRINGS_VOCAB), query_int(&q, STRINGS_COUNT),
            query_real(&q, STRINGS_MAX), query_real(&q, STRINGS_MEAN),
            query_int(&q, STRINGS_USE)};
    }
    int ended = query_end(&q, c->e);
    return code != 0 ? code : ended;
}

/* Keeps those among the strongest or the most frequent, by strength. Returns
 * how many. */
static size_t choose_strings(struct string *all, size_t n)
{
    if (n == 0)
        return 0;
    qsort(all, n, sizeof *all, by_max);
    if (n <= STRINGS_OF_EACH)
        return n;
    struct string weakest = all[STRINGS_OF_EACH - 1];
    qsort(all, n, sizeof *all, by_count);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (i < STRINGS_OF_EACH || by_max(&all[i], &weakest) <= 0)
            all[kept++] = all[i];
    qsort(all, kept, sizeof *all, by_max);
    return kept;
}

static int put_chosen(struct call *c, json_t *array, const struct string *all,
                      size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int64_t count;
        json_t *one = call_add_object(c, array);
        TRY(shape_string_by_id(&count, c, one, all[i].vocab, false));
        call_put_int(c, one, "count", all[i].count);
        call_put_real(c, one, "share",
                      all[i].use > 0 ? (double)all[i].count / (double)all[i].use
                                     : (double)NAN);
        call_put_real(c, one, "max", all[i].max);
        call_put_real(c, one, "mean", all[i].mean);
    }
    return 0;
}

static int put_strings(struct call *c, json_t *out, const struct asked *a)
{
    struct string *all = NULL;
    size_t n = 0;
    int code = read_strings(&all, &n, c, a);
    if (code == 0)
        code = put_chosen(c, call_put_array(c, out, "strings"), all,
                          choose_strings(all, n));
    free(all);
    return code;
}

/* ---- logits ---- */

/* Ranks rise: the suppressed come first, the most suppressed last of them. */
static int put_logits(struct call *c, json_t *out, const struct asked *a)
{
    int code = 0;
    json_t *logits = call_put_object(c, out, "logits");
    json_t *promoted = call_put_array(c, logits, "promoted");
    json_t *suppressed = call_put_array(c, logits, "suppressed");
    struct query q = about(c, QUERY_LOGITS, a);
    while (code == 0 && query_next(&q)) {
        int64_t count;
        json_t *one = call_add_object(
            c, query_int(&q, LOGITS_RANK) > 0 ? promoted : suppressed);
        code = shape_string_by_id(&count, c, one, query_int(&q, LOGITS_VOCAB),
                                  false);
        call_put_real(c, one, "logit", query_real(&q, LOGITS_LOGIT));
    }
    int ended = query_end(&q, c->e);
    return code != 0 ? code : ended;
}

/* ---- examples ---- */

static int put_sets(struct call *c, json_t *out, const struct asked *a)
{
    json_t *array = call_put_array(c, out, "sets");
    struct query q = about(c, QUERY_EXAMPLE_SETS, a);
    while (query_next(&q)) {
        size_t length;
        json_t *set = call_add_object(c, array);
        call_put_text(c, set, "kind",
                      query_text(&q, EXAMPLE_SETS_KIND, &length));
        call_put_int(c, set, "interval", query_int(&q, EXAMPLE_SETS_INTERVAL));
        call_put_real(c, set, "above", query_real(&q, EXAMPLE_SETS_ABOVE));
        call_put_real(c, set, "up_to", query_real(&q, EXAMPLE_SETS_UP_TO));
        call_put_int(c, set, "tokens", query_int(&q, EXAMPLE_SETS_TOKENS));
        call_put_int(c, set, "examples", query_int(&q, EXAMPLE_SETS_EXAMPLES));
    }
    return query_end(&q, c->e);
}

/* How far from an example the database has levels outside the sample; of the
 * examples of a head it has none. */
static int64_t reach_of(const struct asked *a)
{
    if (a->head >= 0)
        return 0;
    return a->kind == 0 ? WINDOW_MAX : WINDOW_REACH;
}

static int put_examples(struct call *c, json_t *out, const struct asked *a)
{
    const char *kind = kind_names[a->kind];
    const struct window_view view = {.sae = a->sae,
                                     .window = a->window,
                                     .head = a->head,
                                     .reach = reach_of(a)};
    struct query q = query_begin(c->queries, a->head < 0 ? QUERY_EXAMPLES
                                                         : QUERY_HEAD_EXAMPLES);
    query_bind(&q, a->sae);
    query_bind(&q, a->feature);
    if (a->head >= 0)
        query_bind(&q, a->head);
    else
        query_bind_text(&q, kind, strlen(kind));
    query_bind(&q, EXAMPLES);
    return window_put_examples(c, call_put_array(c, out, "examples"), &q,
                               &view);
}

int api_feature(json_t *out, struct call *c)
{
    struct asked a;
    TRY(get_asked(&a, c));
    TRY(put_figures(c, out, &a));
    marks_put(c, out, a.place, a.feature);
    TRY(put_heads(c, out, &a));
    TRY(put_histogram(c, out, &a));
    TRY(put_strings(c, out, &a));
    TRY(put_logits(c, out, &a));
    TRY(sources_put_feature(c, out, a.sae, a.feature));
    TRY(relations_put(c, out, a.sae, a.feature));
    TRY(put_sets(c, out, &a));
    return put_examples(c, out, &a);
}
