/* SPDX-License-Identifier: MIT */
#include "viewer/api.h"

#include <string.h>

#include "base/utf8.h"
#include "viewer/csv.h"
#include "viewer/marks.h"

static const char prefix[] = "/api/";

/* rows: the table of the answer, as viewer/csv.h names it */
static const struct endpoint {
    const char *name;
    int (*fill)(json_t *out, struct call *c);
    const char *rows;
    bool posted;
} endpoints[] = {
    {"about", api_about, "saes", false},
    {"features", api_features, "rows", false},
    {"feature", api_feature, "examples", false},
    {"activation", api_activation, "heads", false},
    {"heads", api_heads, "rows.heads", false},
    {"head", api_head, "rows", false},
    {"token", api_token, "rows", false},
    {"search", api_search, "results", false},
    {"context", api_context, "rows", false},
    {"training", api_training, "saes.curves", false},
    {"compare", api_compare, "rows", false},
    {"circuits", api_circuits, "rows", false},
    {"circuit", api_circuit, "rows", false},
    {"circuit_codes", api_circuit_codes, "rows", false},
    {"circuit_prompts", api_circuit_prompts, "rows", false},
    {"circuit_edges", api_circuit_edges, "rows", false},
    {"circuit_pairs", api_circuit_pairs, "rows", false},
    {"circuit_overlap", api_circuit_overlap, "rows", false},
    {"labels", api_labels, "rows", false},
    {"label", api_label, "", true},
    {"labels/import", api_labels_import, "", true},
};

bool api_owns(const char *path)
{
    return strncmp(path, prefix, sizeof prefix - 1) == 0;
}

static void put_json(struct api_answer *out, const json_t *object)
{
    out->text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(6));
    out->length = out->text == NULL ? 0 : strlen(out->text);
}

static void put_csv(struct api_answer *out, const json_t *object,
                    const char *rows)
{
    out->type = "text/csv; charset=utf-8";
    out->text = csv_make(object, rows);
    out->length = out->text == NULL ? 0 : strlen(out->text);
}

void api_error(struct api_answer *out, int status, const char *message)
{
    struct err e;
    (void)err_set(&e, ERR_INPUT, "%s", message);
    utf8_repair(e.msg); /* a value quoted in it may be cut in a character */
    json_t *object = json_pack("{s:s}", "error", e.msg);
    *out = (struct api_answer){.status = status};
    if (object != NULL)
        put_json(out, object);
    json_decref(object);
}

/* The endpoint of a path, which may end in .json or .csv. */
static const struct endpoint *find(bool *csv, const char *path, bool posted)
{
    const char *name = path + sizeof prefix - 1;
    size_t length = strcspn(name, ".");
    const char *ending = name + length;
    *csv = strcmp(ending, ".csv") == 0;
    if (*ending != '\0' && strcmp(ending, ".json") != 0 && !*csv)
        return NULL;
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++)
        if (strlen(endpoints[i].name) == length &&
            strncmp(name, endpoints[i].name, length) == 0 &&
            endpoints[i].posted == posted)
            return &endpoints[i];
    return NULL;
}

static int fill_from_pool(json_t *object, struct call *c,
                          const struct endpoint *endpoint)
{
    if (endpoint == NULL)
        return call_refuse(c, 404, "no such page; docs/api.md lists them");
    struct pool_reader *reader;
    c->status = 503; /* what may be otherwise in a while */
    TRY(pool_take(&reader, c->site->pool, c->e));
    c->status = 500;
    c->queries = &reader->queries;
    marks_take(c);
    int code = endpoint->fill(object, c);
    marks_give(c);
    pool_give(c->site->pool, reader);
    if (code == 0 && c->lost)
        code = err_memory(c->e, "an answer", sizeof(void *));
    return code;
}

void api_answer(struct api_answer *out, const struct call_site *site,
                struct target *target, const char *body, size_t body_size)
{
    struct err e = {0};
    struct call c = {.site = site,
                     .target = target,
                     .body = body,
                     .body_size = body_size,
                     .status = 500,
                     .e = &e};
    const struct endpoint *endpoint = find(&c.csv, target->path, body != NULL);
    json_t *object = json_object();
    if (fill_from_pool(object, &c, endpoint) != 0) {
        api_error(out, c.status, e.msg);
    } else {
        *out = (struct api_answer){.status = 200};
        if (c.csv)
            put_csv(out, object, endpoint->rows);
        else
            put_json(out, object);
        memcpy(out->next, c.next, sizeof out->next);
    }
    json_decref(object);
}
