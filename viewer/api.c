/* SPDX-License-Identifier: MIT */
#include "viewer/api.h"

#include <string.h>

#include "base/utf8.h"

static const char prefix[] = "/api/";

static const struct {
    const char *name;
    int (*fill)(json_t *out, struct call *c);
} endpoints[] = {
    {"about", api_about},       {"features", api_features},
    {"feature", api_feature},   {"heads", api_heads},
    {"head", api_head},         {"token", api_token},
    {"search", api_search},     {"context", api_context},
    {"training", api_training},
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

static int fill(json_t *object, struct call *c)
{
    const char *name = c->target->path + sizeof prefix - 1;
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++)
        if (strcmp(name, endpoints[i].name) == 0)
            return endpoints[i].fill(object, c);
    return call_refuse(c, 404, "no such page; docs/api.md lists them");
}

static int fill_from_pool(json_t *object, struct call *c)
{
    struct pool_reader *reader;
    c->status = 503; /* what may be otherwise in a while */
    TRY(pool_take(&reader, c->site->pool, c->e));
    c->status = 500;
    c->queries = &reader->queries;
    int code = fill(object, c);
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
    json_t *object = json_object();
    if (fill_from_pool(object, &c) != 0) {
        api_error(out, c.status, e.msg);
    } else {
        *out = (struct api_answer){.status = 200};
        put_json(out, object);
    }
    json_decref(object);
}
