/* SPDX-License-Identifier: MIT */
#include "viewer/head.h"

#include <math.h>
#include <stdlib.h>

#include "viewer/shape.h"

enum {
    RANKS = 200,      /* of the codes, with their counts */
    CODES = 24,       /* of them with what they fire on */
    EXAMPLES = 400,   /* the strongest, whose sources are read */
    STRINGS = 256,    /* different ones among those */
    STRINGS_PUT = 24, /* of them told */
    BINS = 20,        /* of distances: 0, 1, 2 to 3, 4 to 7, ... */
};

static struct query about(struct call *c, enum query_name name, int64_t sae,
                          int64_t head)
{
    struct query q = query_begin(c->queries, name);
    query_bind(&q, sae);
    query_bind(&q, head);
    return q;
}

/* ---- codes ---- */

static int put_code(struct call *c, json_t *array, int64_t sae, int64_t feature,
                    int64_t count)
{
    json_t *one = call_add_object(c, array);
    call_put_int(c, one, "feature", feature);
    call_put_int(c, one, "count", count);
    return shape_top_tokens(c, one, sae, feature, -1);
}

int head_put_codes(struct call *c, json_t *object, int64_t sae, int64_t head)
{
    int code = 0;
    int64_t n = 0;
    double tokens = 0;
    json_t *codes = call_put_object(c, object, "codes");
    json_t *counts = call_put_array(c, codes, "counts");
    json_t *features = call_put_array(c, codes, "features");
    struct query q = about(c, QUERY_HEAD_CODES, sae, head);
    for (; code == 0 && query_next(&q); n++) {
        int64_t count = query_int(&q, HEAD_CODES_COUNT);
        tokens += (double)count;
        if (n < RANKS)
            call_add(c, counts, json_integer(count));
        if (n < CODES)
            code = put_code(c, features, sae, query_int(&q, HEAD_CODES_FEATURE),
                            count);
    }
    int ended = query_end(&q, c->e);
    call_put_int(c, codes, "different", n);
    call_put_real(c, codes, "tokens", tokens);
    return code != 0 ? code : ended;
}

/* ---- groups ---- */

/* `codes` of a group that is complete. */
static void end_group(struct call *c, json_t *group, double codes)
{
    if (group != NULL)
        call_put_real(c, group, "codes", codes);
}

int head_put_groups(struct call *c, json_t *object, int64_t sae, int64_t head)
{
    int code = 0;
    int64_t number = -1;
    double codes = 0;
    json_t *groups = call_put_array(c, object, "groups");
    json_t *group = NULL, *features = NULL;
    struct query q = about(c, QUERY_HEAD_GROUPS, sae, head);
    while (code == 0 && query_next(&q)) {
        if (group == NULL || query_int(&q, HEAD_GROUPS_NUMBER) != number) {
            end_group(c, group, codes);
            number = query_int(&q, HEAD_GROUPS_NUMBER);
            codes = 0;
            group = call_add_object(c, groups);
            call_put_int(c, group, "number", number);
            features = call_put_array(c, group, "features");
        }
        int64_t count = query_int(&q, HEAD_GROUPS_COUNT);
        codes += (double)count;
        code = put_code(c, features, sae, query_int(&q, HEAD_GROUPS_FEATURE),
                        count);
    }
    end_group(c, group, codes);
    int ended = query_end(&q, c->e);
    return code != 0 ? code : ended;
}

/* ---- sources ---- */

struct string {
    int64_t vocab, count;
    double contribution;
};

struct sources {
    struct string strings[STRINGS];
    size_t n;
    double bins[BINS];
    double sum;
};

static void note_string(struct sources *s, int64_t vocab, double contribution)
{
    size_t i = 0;
    while (i < s->n && s->strings[i].vocab != vocab)
        i++;
    if (i == STRINGS)
        return;
    if (i == s->n)
        s->strings[s->n++] = (struct string){.vocab = vocab};
    s->strings[i].count++;
    s->strings[i].contribution += contribution;
}

static int bin_of(int64_t distance)
{
    int bin = 0;
    while (bin < BINS - 1 && distance >= INT64_C(1) << bin)
        bin++;
    return bin;
}

static int read_sources(struct sources *s, struct call *c, int64_t sae,
                        int64_t head)
{
    struct query q = about(c, QUERY_HEAD_SOURCES, sae, head);
    query_bind(&q, EXAMPLES);
    while (query_next(&q)) {
        double contribution = query_real(&q, HEAD_SOURCES_CONTRIBUTION);
        if (isnan(contribution))
            continue;
        s->sum += contribution;
        s->bins[bin_of(query_int(&q, HEAD_SOURCES_DISTANCE))] += contribution;
        if (!query_is_null(&q, HEAD_SOURCES_VOCAB))
            note_string(s, query_int(&q, HEAD_SOURCES_VOCAB), contribution);
    }
    return query_end(&q, c->e);
}

static int by_contribution(const void *left, const void *right)
{
    const struct string *a = left, *b = right;
    if (a->contribution != b->contribution)
        return a->contribution > b->contribution ? -1 : 1;
    return (a->vocab > b->vocab) - (a->vocab < b->vocab);
}

static void put_distances(struct call *c, json_t *sources,
                          const struct sources *s)
{
    json_t *array = call_put_array(c, sources, "distances");
    for (int b = 0; b < BINS; b++) {
        if (!(s->bins[b] > 0))
            continue;
        json_t *one = call_add_object(c, array);
        call_put_int(c, one, "first", b == 0 ? 0 : INT64_C(1) << (b - 1));
        call_put_int(c, one, "last", b == 0 ? 0 : (INT64_C(1) << b) - 1);
        call_put_real(c, one, "share", s->bins[b] / s->sum);
    }
}

int head_put_sources(struct call *c, json_t *object, int64_t sae, int64_t head)
{
    struct sources s = {0};
    TRY(read_sources(&s, c, sae, head));
    if (!(s.sum > 0)) {
        call_put(c, object, "sources", json_null());
        return 0;
    }
    json_t *sources = call_put_object(c, object, "sources");
    put_distances(c, sources, &s);
    qsort(s.strings, s.n, sizeof *s.strings, by_contribution);
    json_t *array = call_put_array(c, sources, "strings");
    for (size_t i = 0; i < s.n && i < STRINGS_PUT; i++) {
        int64_t occurrences;
        json_t *one = call_add_object(c, array);
        TRY(shape_string_by_id(&occurrences, c, one, s.strings[i].vocab,
                               false));
        call_put_real(c, one, "share", s.strings[i].contribution / s.sum);
        call_put_int(c, one, "count", s.strings[i].count);
    }
    return 0;
}
