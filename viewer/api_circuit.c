/* SPDX-License-Identifier: MIT */
#include "viewer/api.h"

#include <stdlib.h>
#include <string.h>

#include "viewer/circuits.h"
#include "viewer/shape.h"

enum {
    TOKENS_BEFORE = 256, /* of a prompt, before the one whose prediction */
    TOKENS_AFTER = 32,   /* counts, and after it */
    EDGES = 5000,
    EDGES_MAX = 20000,
    PAIRS = 50,
};

int api_circuits(json_t *out, struct call *c)
{
    TRY(call_asked(c, target_finish(c->target, c->e)));
    return circuits_put_all(c, call_put_array(c, out, "rows"));
}

/* ---- /api/circuit ---- */

static void put_head_row(struct call *c, json_t *row,
                         const struct circuits_head *h)
{
    char name[SHAPE_NAME];
    shape_head_name(name, (int)h->layer, h->head);
    call_put_text(c, row, "name", name);
    call_put_int(c, row, "layer", h->layer);
    call_put_int(c, row, "head", h->head);
    for (int m = 0; m < CIRCUITS_MEASURES; m++)
        call_put_real(c, row, circuits_measure_name((enum circuits_measure)m),
                      h->measure[m]);
    call_put(c, row, "in_circuit",
             h->in_circuit < 0 ? json_null() : json_integer(h->in_circuit));
    call_put_real(c, row, "effect", h->effect);
}

/* None where the truth is not known, or does not tell heads apart. */
static int put_curves(struct call *c, json_t *array,
                      const struct circuits_heads *h)
{
    bool apart = h->known && h->in_circuit > 0 && h->in_circuit < h->n;
    for (int m = 0; apart && m < CIRCUITS_MEASURES; m++)
        TRY(circuits_put_curve(c, call_add_object(c, array), h,
                               (enum circuits_measure)m));
    return 0;
}

int api_circuit(json_t *out, struct call *c)
{
    int64_t id;
    json_t *row;
    struct circuits_heads heads;
    TRY(circuits_get(&id, &row, c));
    call_put(c, out, "circuit", row);
    TRY(call_asked(c, target_finish(c->target, c->e)));
    TRY(circuits_read_heads(&heads, c, id));
    circuits_put_legend(c, call_put_array(c, out, "measures"), row);
    json_t *rows = call_put_array(c, out, "rows");
    for (size_t i = 0; i < heads.n; i++)
        put_head_row(c, call_add_object(c, rows), &heads.head[i]);
    int code = put_curves(c, call_put_array(c, out, "curves"), &heads);
    circuits_free_heads(&heads);
    return code;
}

/* ---- a head ---- */

struct asked {
    int64_t circuit, layer, head;
};

/* Reads `circuit` and the two numbers of a head. */
static int get_asked(struct asked *a, struct call *c)
{
    json_t *row;
    TRY(circuits_get(&a->circuit, &row, c));
    json_decref(row);
    TRY(call_get_number(&a->layer, c, "layer"));
    return call_get_number(&a->head, c, "head");
}

/* Whether the circuit has such a head. */
static int check_head(struct call *c, int64_t circuit, int64_t layer,
                      int64_t head)
{
    bool found = false;
    struct query q = query_begin(c->queries, QUERY_CIRCUIT_HEADS);
    query_bind(&q, circuit);
    while (!found && query_next(&q))
        found = query_int(&q, CIRCUIT_HEADS_LAYER) == layer &&
                query_int(&q, CIRCUIT_HEADS_HEAD) == head;
    TRY(query_end(&q, c->e));
    return found ? 0
                 : call_refuse(c, 404, "circuit %lld has no head L%lldH%lld",
                               (long long)circuit, (long long)layer,
                               (long long)head);
}

static struct query about_head(struct call *c, enum query_name name,
                               const struct asked *a)
{
    struct query q = query_begin(c->queries, name);
    query_bind(&q, a->circuit);
    query_bind(&q, a->layer);
    query_bind(&q, a->head);
    return q;
}

int api_circuit_codes(json_t *out, struct call *c)
{
    struct asked a;
    int64_t only[3] = {0}; /* of positives, of negatives, of both */
    TRY(get_asked(&a, c));
    TRY(call_asked(c, target_finish(c->target, c->e)));
    TRY(check_head(c, a.circuit, a.layer, a.head));
    json_t *rows = call_put_array(c, out, "rows");
    struct query q = about_head(c, QUERY_CIRCUIT_CODES, &a);
    while (query_next(&q)) {
        int64_t positives = query_int(&q, CIRCUIT_CODES_POSITIVES);
        int64_t negatives = query_int(&q, CIRCUIT_CODES_NEGATIVES);
        json_t *row = call_add_object(c, rows);
        call_put_int(c, row, "code", query_int(&q, CIRCUIT_CODES_CODE));
        call_put_int(c, row, "positives", positives);
        call_put_int(c, row, "negatives", negatives);
        only[negatives == 0 ? 0 : positives == 0 ? 1 : 2]++;
    }
    call_put_int(c, out, "only_positives", only[0]);
    call_put_int(c, out, "only_negatives", only[1]);
    call_put_int(c, out, "both", only[2]);
    return query_end(&q, c->e);
}

/* ---- /api/circuit_prompts ---- */

static int put_tokens(struct call *c, json_t *row, int64_t circuit,
                      int64_t prompt, int64_t position)
{
    int64_t first = position > TOKENS_BEFORE ? position - TOKENS_BEFORE : 0;
    json_t *tokens = call_put_array(c, row, "tokens");
    struct query q = query_begin(c->queries, QUERY_CIRCUIT_TOKENS);
    query_bind(&q, circuit);
    query_bind(&q, prompt);
    query_bind(&q, first);
    query_bind(&q, first + TOKENS_BEFORE + TOKENS_AFTER);
    while (query_next(&q)) {
        size_t length;
        const char *text = query_text(&q, CIRCUIT_TOKENS_TEXT, &length);
        shape_token(c, tokens, text, length,
                    query_int(&q, CIRCUIT_TOKENS_ESCAPED) != 0);
    }
    call_put_int(c, row, "first", first);
    return query_end(&q, c->e);
}

/* Or null. */
static void put_int_if_known(struct call *c, json_t *row, const char *key,
                             const struct query *q, int column)
{
    call_put(c, row, key,
             query_is_null(q, column) ? json_null()
                                      : json_integer(query_int(q, column)));
}

static int put_prompt(struct call *c, json_t *row, const struct query *q,
                      int64_t circuit)
{
    size_t length;
    int64_t prompt = query_int(q, CIRCUIT_PROMPTS_PROMPT);
    int64_t position = query_int(q, CIRCUIT_PROMPTS_POSITION); /* NULL: 0 */
    call_put_int(c, row, "prompt", prompt);
    call_put_int(c, row, "label", query_int(q, CIRCUIT_PROMPTS_LABEL));
    put_int_if_known(c, row, "code", q, CIRCUIT_PROMPTS_CODE);
    put_int_if_known(c, row, "position", q, CIRCUIT_PROMPTS_POSITION);
    if (query_is_null(q, CIRCUIT_PROMPTS_ANSWER))
        call_put(c, row, "answer", json_null());
    else
        call_put_text(c, row, "answer",
                      query_text(q, CIRCUIT_PROMPTS_ANSWER, &length));
    if (c->csv) { /* one cell of text */
        call_put_text(c, row, "text",
                      query_text(q, CIRCUIT_PROMPTS_TEXT, &length));
        return 0;
    }
    return put_tokens(c, row, circuit, prompt,
                      position < 0           ? 0
                      : position > INT32_MAX ? INT32_MAX
                                             : position);
}

static bool is_wanted(const struct query *q, bool any, int64_t code)
{
    return any || (!query_is_null(q, CIRCUIT_PROMPTS_CODE) &&
                   query_int(q, CIRCUIT_PROMPTS_CODE) == code);
}

int api_circuit_prompts(json_t *out, struct call *c)
{
    struct asked a;
    size_t offset, limit, total = 0;
    int64_t wanted = -1;
    int code = 0;
    TRY(get_asked(&a, c));
    bool any = !target_has(c->target, "code");
    TRY(call_asked(
        c, target_int(&wanted, c->target, "code", 0, INT32_MAX, -1, c->e)));
    TRY(call_get_page(&offset, &limit, c));
    TRY(call_asked(c, target_finish(c->target, c->e)));
    TRY(check_head(c, a.circuit, a.layer, a.head));
    json_t *rows = call_put_array(c, out, "rows");
    struct query q = about_head(c, QUERY_CIRCUIT_PROMPTS, &a);
    while (code == 0 && query_next(&q)) {
        if (!is_wanted(&q, any, wanted))
            continue;
        if (total >= offset && total - offset < limit)
            code = put_prompt(c, call_add_object(c, rows), &q, a.circuit);
        total++;
    }
    int ended = query_end(&q, c->e);
    call_put_int(c, out, "total", (int64_t)total);
    call_put_int(c, out, "offset", (int64_t)offset);
    call_put_int(c, out, "limit", (int64_t)limit);
    return code != 0 ? code : ended;
}

/* ---- edges ---- */

static void put_name(struct call *c, json_t *row, const char *key,
                     const struct query *q, int column)
{
    char name[SHAPE_NAME];
    shape_head_name(name, (int)query_int(q, column), query_int(q, column + 1));
    call_put_text(c, row, key, name);
}

int api_circuit_edges(json_t *out, struct call *c)
{
    int64_t id, limit, total = 0;
    json_t *circuit;
    TRY(circuits_get(&id, &circuit, c));
    json_decref(circuit);
    TRY(call_get_limit(&limit, c, EDGES, EDGES_MAX));
    TRY(call_asked(c, target_finish(c->target, c->e)));
    json_t *rows = call_put_array(c, out, "rows");
    struct query q = query_begin(c->queries, QUERY_CIRCUIT_EDGES);
    query_bind(&q, id);
    query_bind(&q, limit);
    while (query_next(&q)) {
        json_t *row = call_add_object(c, rows);
        put_name(c, row, "head", &q, CIRCUIT_EDGES_LAYER);
        put_name(c, row, "other", &q, CIRCUIT_EDGES_OTHER_LAYER);
        call_put_int(c, row, "pairs", query_int(&q, CIRCUIT_EDGES_PAIRS));
        total = query_int(&q, CIRCUIT_EDGES_ALL);
    }
    call_put_int(c, out, "total", total);
    call_put_int(c, out, "limit", limit);
    return query_end(&q, c->e);
}

int api_circuit_pairs(json_t *out, struct call *c)
{
    struct asked a;
    int64_t layer, head;
    TRY(get_asked(&a, c));
    TRY(call_get_number(&layer, c, "other_layer"));
    TRY(call_get_number(&head, c, "other_head"));
    TRY(call_asked(c, target_finish(c->target, c->e)));
    TRY(check_head(c, a.circuit, a.layer, a.head));
    TRY(check_head(c, a.circuit, layer, head));
    json_t *rows = call_put_array(c, out, "rows");
    struct query q = about_head(c, QUERY_CIRCUIT_PAIRS, &a);
    query_bind(&q, layer);
    query_bind(&q, head);
    query_bind(&q, PAIRS);
    while (query_next(&q)) {
        json_t *row = call_add_object(c, rows);
        call_put_int(c, row, "code", query_int(&q, CIRCUIT_PAIRS_CODE));
        call_put_int(c, row, "other_code",
                     query_int(&q, CIRCUIT_PAIRS_OTHER_CODE));
        call_put_int(c, row, "prompts", query_int(&q, CIRCUIT_PAIRS_PROMPTS));
    }
    return query_end(&q, c->e);
}

/* ---- /api/circuit_overlap ---- */

struct overlap {
    struct circuits_heads heads; /* of the circuit that was asked for */
    struct circuits_set set;
    bool by_score;
    size_t size; /* of the sets by score */
};

static bool same_heads(const struct circuits_heads *a,
                       const struct circuits_heads *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++)
        same = a->head[i].layer == b->head[i].layer &&
               a->head[i].head == b->head[i].head;
    return same;
}

/* Nothing where the other circuit has other heads, or its truth is not known
 * but asked for. */
static int put_other(struct call *c, json_t *rows, const json_t *circuit,
                     const struct overlap *o)
{
    struct circuits_heads heads;
    struct circuits_set set = {0};
    int64_t id = json_integer_value(json_object_get(circuit, "id"));
    int code = 0;
    TRY(circuits_read_heads(&heads, c, id));
    if (same_heads(&o->heads, &heads) && (o->by_score || heads.known)) {
        code = circuits_make_set(&set, c, &heads, o->by_score, o->size);
        json_t *row = code == 0 ? call_add_object(c, rows) : NULL;
        if (row != NULL) {
            call_put_int(c, row, "other", id);
            call_put(c, row, "name",
                     json_incref(json_object_get(circuit, "name")));
            circuits_put_overlap(c, row, &o->set, &set, heads.n);
        }
    }
    free(set.in);
    circuits_free_heads(&heads);
    return code;
}

static int put_others(struct call *c, json_t *rows, const json_t *circuit,
                      const struct overlap *o)
{
    size_t i;
    int code = 0;
    json_t *other, *all = json_array();
    const char *model = json_string_value(json_object_get(circuit, "model"));
    code = circuits_put_all(c, all);
    json_array_foreach(all, i, other)
    {
        const char *its = json_string_value(json_object_get(other, "model"));
        bool same_model = model != NULL && its != NULL && !strcmp(model, its);
        if (code == 0 && same_model &&
            !json_equal(json_object_get(circuit, "id"),
                        json_object_get(other, "id")))
            code = put_other(c, rows, other, o);
    }
    json_decref(all);
    return code;
}

static int put_overlaps(json_t *out, struct call *c, int64_t id,
                        const json_t *circuit)
{
    struct overlap o = {0};
    int64_t size;
    int by;
    TRY(call_asked(
        c, target_choice(&by, c->target, "set", "truth|score", 0, c->e)));
    TRY(call_asked(c,
                   target_int(&size, c->target, "size", 1, 100000, 5, c->e)));
    TRY(call_asked(c, target_finish(c->target, c->e)));
    o.by_score = by == 1;
    o.size = (size_t)size;
    json_t *rows = call_put_array(c, out, "rows");
    TRY(circuits_read_heads(&o.heads, c, id));
    int code = 0;
    if (o.by_score || o.heads.known) {
        code = circuits_make_set(&o.set, c, &o.heads, o.by_score, o.size);
        if (code == 0)
            code = put_others(c, rows, circuit, &o);
    }
    free(o.set.in);
    circuits_free_heads(&o.heads);
    return code;
}

int api_circuit_overlap(json_t *out, struct call *c)
{
    int64_t id;
    json_t *circuit;
    TRY(circuits_get(&id, &circuit, c));
    int code = put_overlaps(out, c, id, circuit);
    call_put(c, out, "circuit", circuit);
    return code;
}
