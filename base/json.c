/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/map.h"

int json_read(json_t **root, const char *path, struct err *e)
{
    *root = NULL;
    struct map m;
    TRY(map_open(&m, path, e));
    if (m.size == 0)
        return err_set(e, ERR_INPUT, "%s: is empty; JSON was expected", path);
    json_error_t problem;
    *root = json_loadb((const char *)m.data, m.size, JSON_REJECT_DUPLICATES,
                       &problem);
    map_close(&m);
    if (*root == NULL)
        return err_set(e, ERR_INPUT, "%s: line %d: no valid JSON: %s", path,
                       problem.line, problem.text);
    return 0;
}

int json_write(const char *path, const json_t *root, struct err *e)
{
    FILE *f = fopen(path, "wb");
    if (f == NULL)
        return err_errno(e, "cannot write %s", path);
    int bad = json_dumpf(root, f, JSON_INDENT(2)) != 0;
    bad |= fputc('\n', f) == EOF;
    bad |= fclose(f) != 0;
    return bad ? err_errno(e, "cannot write %s", path) : 0;
}

json_t *json_figure(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static const char *type_name(json_type type)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object",    [JSON_ARRAY] = "an array",
        [JSON_STRING] = "a string",     [JSON_INTEGER] = "a whole number",
        [JSON_REAL] = "a number",       [JSON_TRUE] = "true or false",
        [JSON_FALSE] = "true or false", [JSON_NULL] = "null",
    };
    return names[type];
}

static int wrong_type(const char *where, const char *key, json_type type,
                      struct err *e)
{
    return err_set(e, ERR_INPUT, "%s: '%s' must be %s", where, key,
                   type_name(type));
}

int json_need(json_t **out, const json_t *object, const char *key,
              json_type type, const char *where, struct err *e)
{
    *out = json_object_get(object, key);
    if (*out == NULL)
        return err_set(e, ERR_INPUT, "%s: '%s' is missing", where, key);
    if (json_typeof(*out) != type)
        return wrong_type(where, key, type, e);
    return 0;
}

/* The member, or NULL if it is absent or null. */
static json_t *member(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

static int check_range(int64_t *out, const json_t *value, int64_t min,
                       int64_t max, const char *where, const char *key,
                       struct err *e)
{
    int64_t v = json_integer_value(value);
    if (v < min || v > max)
        return err_set(e, ERR_INPUT,
                       "%s: '%s' is %" PRId64 ", outside %" PRId64 "..%" PRId64,
                       where, key, v, min, max);
    *out = v;
    return 0;
}

int json_need_int(int64_t *out, const json_t *object, const char *key,
                  int64_t min, int64_t max, const char *where, struct err *e)
{
    json_t *value;
    TRY(json_need(&value, object, key, JSON_INTEGER, where, e));
    return check_range(out, value, min, max, where, key, e);
}

int json_need_string(const char **out, const json_t *object, const char *key,
                     const char *where, struct err *e)
{
    json_t *value;
    TRY(json_need(&value, object, key, JSON_STRING, where, e));
    *out = json_string_value(value);
    return 0;
}

int json_need_bool(bool *out, const json_t *object, const char *key,
                   const char *where, struct err *e)
{
    json_t *value = json_object_get(object, key);
    if (value == NULL)
        return err_set(e, ERR_INPUT, "%s: '%s' is missing", where, key);
    if (!json_is_boolean(value))
        return wrong_type(where, key, JSON_TRUE, e);
    *out = json_is_true(value);
    return 0;
}

int json_get_int(int64_t *out, const json_t *object, const char *key,
                 int64_t min, int64_t max, int64_t fallback, const char *where,
                 struct err *e)
{
    json_t *value = member(object, key);
    *out = fallback;
    if (value == NULL)
        return 0;
    if (!json_is_integer(value))
        return wrong_type(where, key, JSON_INTEGER, e);
    return check_range(out, value, min, max, where, key, e);
}

int json_get_real(double *out, const json_t *object, const char *key,
                  double fallback, const char *where, struct err *e)
{
    json_t *value = member(object, key);
    *out = fallback;
    if (value == NULL)
        return 0;
    if (!json_is_number(value))
        return wrong_type(where, key, JSON_REAL, e);
    *out = json_number_value(value);
    return 0;
}

int json_get_string(const char **out, const json_t *object, const char *key,
                    const char *fallback, const char *where, struct err *e)
{
    json_t *value = member(object, key);
    *out = fallback;
    if (value == NULL)
        return 0;
    if (!json_is_string(value))
        return wrong_type(where, key, JSON_STRING, e);
    *out = json_string_value(value);
    return 0;
}

int json_get_bool(bool *out, const json_t *object, const char *key,
                  bool fallback, const char *where, struct err *e)
{
    json_t *value = member(object, key);
    *out = fallback;
    if (value == NULL)
        return 0;
    if (!json_is_boolean(value))
        return wrong_type(where, key, JSON_TRUE, e);
    *out = json_is_true(value);
    return 0;
}
