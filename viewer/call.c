/* SPDX-License-Identifier: MIT */
#include "viewer/call.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* ---- failures ---- */

int call_refuse(struct call *c, int status, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    c->status = status;
    return err_set(c->e, ERR_INPUT, "%s", text);
}

int call_asked(struct call *c, int code)
{
    if (code != 0)
        c->status = 400;
    return code;
}

/* ---- putting values ---- */

void call_put(struct call *c, json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0)
        c->lost = true;
}

json_t *call_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

void call_put_real(struct call *c, json_t *object, const char *key,
                   double value)
{
    call_put(c, object, key, call_real(value));
}

void call_put_int(struct call *c, json_t *object, const char *key,
                  int64_t value)
{
    call_put(c, object, key, json_integer(value));
}

void call_put_text(struct call *c, json_t *object, const char *key,
                   const char *text)
{
    json_t *value = json_string(text);
    char *mended = value == NULL ? strdup(text) : NULL;
    if (mended != NULL) {
        utf8_repair(mended);
        value = json_string(mended);
        free(mended);
    }
    call_put(c, object, key, value);
}

void call_add(struct call *c, json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0)
        c->lost = true;
}

json_t *call_put_object(struct call *c, json_t *object, const char *key)
{
    json_t *value = json_object();
    call_put(c, object, key, value);
    return json_object_get(object, key);
}

json_t *call_put_array(struct call *c, json_t *object, const char *key)
{
    json_t *value = json_array();
    call_put(c, object, key, value);
    return json_object_get(object, key);
}

json_t *call_add_object(struct call *c, json_t *array)
{
    json_t *value = json_object();
    call_add(c, array, value);
    size_t n = json_array_size(array);
    return n == 0 ? NULL : json_array_get(array, n - 1);
}

/* ---- parameters that several endpoints take ---- */

/* The range of SAEs with this layer; they stand together. */
static void find_layer(size_t *from, size_t *to, const struct catalog_sae *saes,
                       size_t n, int64_t layer)
{
    for (*from = 0; *from < n && saes[*from].layer != layer;)
        ++*from;
    for (*to = *from; *to < n && saes[*to].layer == layer;)
        ++*to;
}

int call_get_saes(size_t *from, size_t *to, struct call *c)
{
    int64_t id, layer;
    size_t n;
    const struct catalog_sae *saes = catalog_saes(c->site->catalog, &n);
    bool by_id = target_has(c->target, "sae");
    bool by_layer = target_has(c->target, "layer");
    TRY(call_asked(
        c, target_int(&id, c->target, "sae", INT64_MIN, INT64_MAX, 0, c->e)));
    TRY(call_asked(
        c, target_int(&layer, c->target, "layer", 0, INT32_MAX, 0, c->e)));
    *from = 0;
    *to = n;
    if (by_id && by_layer)
        return call_refuse(c, 400, "sae and layer exclude each other");
    if (by_id) {
        while (*from < n && saes[*from].id != id)
            ++*from;
        *to = *from + 1;
    } else if (by_layer) {
        find_layer(from, to, saes, n, layer);
    }
    if ((by_id || by_layer) && *from == n)
        return call_refuse(c, 404, "no SAE %s %lld",
                           by_id ? "with id" : "of layer",
                           (long long)(by_id ? id : layer));
    return 0;
}

int call_get_sae(size_t *sae, struct call *c)
{
    size_t to;
    if (!target_has(c->target, "sae") && !target_has(c->target, "layer"))
        return call_refuse(c, 400, "sae or layer is missing");
    TRY(call_get_saes(sae, &to, c));
    if (to - *sae > 1)
        return call_refuse(c, 400, "layer %d has %zu SAEs; name one by sae",
                           call_sae(c, *sae)->layer, to - *sae);
    return 0;
}

const struct catalog_sae *call_sae(const struct call *c, size_t sae)
{
    size_t n;
    return &catalog_saes(c->site->catalog, &n)[sae];
}

int call_get_number(int64_t *out, struct call *c, const char *name)
{
    if (!target_has(c->target, name))
        return call_refuse(c, 400, "%s is missing", name);
    return call_asked(c,
                      target_int(out, c->target, name, 0, INT32_MAX, 0, c->e));
}

int call_get_feature(struct call_feature *out, struct call *c, const char *name)
{
    int end = 0;
    const char *text = target_text(c->target, name);
    *out = (struct call_feature){.asked = text != NULL};
    if (text == NULL)
        return 0;
    if (sscanf(text, "%18" SCNd64 ":%18" SCNd64 "%n", &out->sae, &out->feature,
               &end) != 2 ||
        text[end] != '\0')
        return call_refuse(c, 400,
                           "%s is an SAE's id and a feature, like 3:117", name);
    return 0;
}

int call_get_limit(int64_t *out, struct call *c, int64_t usual, int64_t max)
{
    if (c->csv && max == CALL_PAGE_MAX) /* a table to take away */
        max = usual = CALL_CSV_MAX;
    return call_asked(c,
                      target_int(out, c->target, "limit", 1, max, usual, c->e));
}

int call_get_page(size_t *offset, size_t *limit, struct call *c)
{
    int64_t from, most;
    TRY(call_asked(
        c, target_int(&from, c->target, "offset", 0, INT64_MAX, 0, c->e)));
    TRY(call_get_limit(&most, c, CALL_PAGE, CALL_PAGE_MAX));
    *offset = (size_t)from;
    *limit = (size_t)most;
    return 0;
}

int call_list(struct list *out, struct call *c,
              const struct list_wanted *wanted)
{
    const struct list_from from = {.catalog = c->site->catalog,
                                   .shares = c->site->shares,
                                   .queries = c->queries};
    return list_make(out, wanted, &from, c->e);
}
