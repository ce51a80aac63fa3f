/* SPDX-License-Identifier: MIT */
#include "viewer/api.h"

#include <string.h>

#include "base/utf8.h"
#include "viewer/csv.h"

static const char prefix[] = "/api/";

/* rows: the table of the answer, as viewer/csv.h names it */
static const struct endpoint {
    const char *name;
    int (*fill)(json_t *out, struct call *c);
    const char *rows;
} endpoints[] = {
    {"about", api_about, "saes"},
    {"features", api_features, "rows"},
    {"feature", api_feature, "examples"},
    {"heads", api_heads, "rows.heads"},
    {"head", api_head, "rows"},
    {"token", api_token, "rows"},
    {"search", api_search, "results"},
    {"context", api_context, "rows"},
    {"training", api_training, "saes.curves"},
    {"compare", api_compare, "rows"},
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
static const struct endpoint *find(bool *csv, const char *path)
{
    const char *name = path + sizeof prefix - 1;
    size_t length = strcspn(name, ".");
    const char *ending = name + length;
    *csv = strcmp(ending, ".csv") == 0;
    if (*ending != '\0' && strcmp(ending, ".json") != 0 && !*csv)
        return NULL;
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++)
        if (strlen(endpoints[i].name) == length &&
            strncmp(name, endpoints[i].name, length) == 0)
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
    int code = endpoint->fill(object, c);
    pool_give(c->site->pool, reader);
    if (code == 0 && c->lost)
        code = err_memory(c->e, "an answer", sizeof(void *));
    return code;
}

void api_answer(struct api_answer *out, const struct call_site *site,
                struct target *target)
{
    struct err e = {0};
    struct call c = {.site = site, .target = target, .status = 500, .e = &e};
    const struct endpoint *endpoint = find(&c.csv, target->path);
    json_t *object = json_object();
    if (fill_from_pool(object, &c, endpoint) != 0) {
        api_error(out, c.status, e.msg);
    } else {
        *out = (struct api_answer){.status = 200, .csv = c.csv};
        if (c.csv)
            put_csv(out, object, endpoint->rows);
        else
            put_json(out, object);
    }
    json_decref(object);
}
