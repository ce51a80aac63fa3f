/* SPDX-License-Identifier: MIT */
#include "viewer/circuits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *title, *about;
} legend[CIRCUITS_MEASURES] = {
    {"score", "codes", "codes of the head that only positive prompts have"},
    {"score_edges", "edges",
     "how often the head is in the strongest pairs of heads"},
    {"score_shuffled", "labels shuffled",
     "the score of codes with labels drawn at random: what a busy head has "
     "without the task"},
    {"mean_difference", "mean difference",
     "length of the mean of positives less the mean of negatives; no codes"},
    {"probe", "probe",
     "share of held-out prompts that a logistic probe gets right; no codes"},
};

void circuits_put_legend(struct call *c, json_t *array)
{
    for (size_t i = 0; i < CIRCUITS_MEASURES; i++) {
        json_t *object = call_add_object(c, array);
        call_put_text(c, object, "name", legend[i].name);
        call_put_text(c, object, "title", legend[i].title);
        call_put_text(c, object, "about", legend[i].about);
    }
}

const char *circuits_measure_name(enum circuits_measure m)
{
    return legend[m].name;
}

/* ---- which there are ---- */

/* The row as an object, its options as JSON instead of text. */
static json_t *make_row(const struct query *q)
{
    json_t *row = query_object(q);
    const char *text = json_string_value(json_object_get(row, "options"));
    json_t *options = text == NULL ? NULL : json_loads(text, 0, NULL);
    if (row != NULL &&
        json_object_set_new(row, "options",
                            options != NULL ? options : json_null()) != 0) {
        json_decref(row);
        return NULL;
    }
    return row;
}

int circuits_put_count(struct call *c, json_t *object)
{
    int64_t n = 0;
    struct query q = query_begin(c->queries, QUERY_CIRCUITS);
    while (query_next(&q))
        n++;
    call_put_int(c, object, "circuits", n);
    return query_end(&q, c->e);
}

int circuits_put_all(struct call *c, json_t *array)
{
    struct query q = query_begin(c->queries, QUERY_CIRCUITS);
    while (query_next(&q))
        call_add(c, array, make_row(&q));
    return query_end(&q, c->e);
}

int circuits_get(int64_t *id, json_t **row, struct call *c)
{
    *row = NULL;
    if (!target_has(c->target, "circuit"))
        return call_refuse(c, 400, "circuit is missing");
    TRY(call_asked(c, target_int(id, c->target, "circuit", INT64_MIN, INT64_MAX,
                                 0, c->e)));
    struct query q = query_begin(c->queries, QUERY_CIRCUITS);
    while (*row == NULL && query_next(&q))
        if (query_int(&q, 0) == *id) {
            *row = make_row(&q);
            c->lost |= *row == NULL;
        }
    TRY(query_end(&q, c->e));
    if (*row == NULL && !c->lost)
        return call_refuse(c, 404, "no circuit with id %lld", (long long)*id);
    return 0;
}

/* ---- heads ---- */

static void read_head(struct circuits_head *h, const struct query *q)
{
    *h = (struct circuits_head){
        .layer = query_int(q, CIRCUIT_HEADS_LAYER),
        .head = query_int(q, CIRCUIT_HEADS_HEAD),
        .effect = query_real(q, CIRCUIT_HEADS_EFFECT),
        .in_circuit = query_is_null(q, CIRCUIT_HEADS_IN_CIRCUIT)
                          ? -1
                          : query_int(q, CIRCUIT_HEADS_IN_CIRCUIT) != 0,
    };
    for (int m = 0; m < CIRCUITS_MEASURES; m++)
        h->measure[m] = query_real(q, CIRCUIT_HEADS_MEASURE + m);
}

int circuits_read_heads(struct circuits_heads *h, struct call *c,
                        int64_t circuit)
{
    size_t room = 0;
    int code = 0;
    *h = (struct circuits_heads){.known = true};
    struct query q = query_begin(c->queries, QUERY_CIRCUIT_HEADS);
    query_bind(&q, circuit);
    while (code == 0 && query_next(&q)) {
        if (h->n == room) {
            room = 2 * room + 64;
            struct circuits_head *grown =
                realloc(h->head, room * sizeof *grown);
            if (grown == NULL) {
                code = err_memory(c->e, "heads", room * sizeof *grown);
                break;
            }
            h->head = grown;
        }
        struct circuits_head *head = &h->head[h->n++];
        read_head(head, &q);
        h->known = h->known && head->in_circuit >= 0;
        h->in_circuit += head->in_circuit == 1;
    }
    int ended = query_end(&q, c->e);
    h->known = h->known && h->n > 0;
    code = code != 0 ? code : ended;
    if (code != 0)
        circuits_free_heads(h);
    return code;
}

void circuits_free_heads(struct circuits_heads *h)
{
    free(h->head);
    *h = (struct circuits_heads){0};
}

/* ---- ranking ---- */

struct place {
    double score;
    size_t head;
    bool in;
};

static int highest_first(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return (a->head > b->head) - (a->head < b->head);
}

/* Heads by falling score, the caller's free; not known is below all. */
static int make_ranking(struct place **out, struct call *c,
                        const struct circuits_heads *h,
                        enum circuits_measure by)
{
    struct place *p = *out = malloc((h->n + 1) * sizeof *p);
    if (p == NULL)
        return err_memory(c->e, "a ranking", h->n * sizeof *p);
    for (size_t i = 0; i < h->n; i++) {
        double score = h->head[i].measure[by];
        p[i] = (struct place){isnan(score) ? -(double)INFINITY : score, i,
                              h->head[i].in_circuit == 1};
    }
    qsort(p, h->n, sizeof *p, highest_first);
    return 0;
}

static void put_point(struct call *c, json_t *points, double least,
                      double wrong, double right)
{
    json_t *point = json_array();
    call_add(c, points, point);
    if (point == NULL)
        return;
    call_add(c, point, call_real(least));
    call_add(c, point, call_real(wrong));
    call_add(c, point, call_real(right));
}

int circuits_put_curve(struct call *c, json_t *object,
                       const struct circuits_heads *h, enum circuits_measure by)
{
    struct place *p;
    double in = (double)h->in_circuit, out = (double)(h->n - h->in_circuit);
    double right = 0, wrong = 0, area = 0;
    call_put_text(c, object, "name", legend[by].name);
    TRY(make_ranking(&p, c, h, by));
    json_t *points = call_put_array(c, object, "points");
    put_point(c, points, (double)INFINITY, 0, 0);
    for (size_t i = 0; i < h->n;) {
        double score = p[i].score, before = right, width = wrong;
        for (; i < h->n && p[i].score == score; i++) {
            right += p[i].in;
            wrong += !p[i].in;
        }
        area += (wrong - width) * (before + right) / 2;
        put_point(c, points, score, wrong / out, right / in);
    }
    call_put_real(c, object, "auc", area / (in * out));
    free(p);
    return 0;
}

/* ---- sets ---- */

int circuits_make_set(struct circuits_set *s, struct call *c,
                      const struct circuits_heads *h, bool by_score,
                      size_t size)
{
    *s = (struct circuits_set){.in = calloc(h->n + 1, sizeof *s->in)};
    if (s->in == NULL)
        return err_memory(c->e, "a set of heads", h->n);
    if (!by_score) {
        for (size_t i = 0; i < h->n; i++)
            s->in[i] = h->head[i].in_circuit == 1;
        s->size = h->in_circuit;
        return 0;
    }
    struct place *p;
    int code = make_ranking(&p, c, h, CIRCUITS_SCORE);
    if (code != 0) {
        free(s->in);
        s->in = NULL;
        return code;
    }
    s->size = size < h->n ? size : h->n;
    for (size_t i = 0; i < s->size; i++)
        s->in[p[i].head] = true;
    free(p);
    return 0;
}

void circuits_put_overlap(struct call *c, json_t *object,
                          const struct circuits_set *a,
                          const struct circuits_set *b, size_t heads)
{
    size_t both = 0;
    for (size_t i = 0; i < heads; i++)
        both += a->in[i] && b->in[i];
    double first = (double)a->size, second = (double)b->size;
    double shared = (double)both, all = first + second - shared;
    call_put_int(c, object, "heads", (int64_t)a->size);
    call_put_int(c, object, "other_heads", (int64_t)b->size);
    call_put_int(c, object, "both", (int64_t)both);
    call_put_real(c, object, "jaccard", all > 0 ? shared / all : (double)NAN);
    call_put_real(c, object, "of_first",
                  first > 0 ? shared / first : (double)NAN);
    call_put_real(c, object, "expected", first * second / (double)heads);
}
