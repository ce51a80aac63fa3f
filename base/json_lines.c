/* SPDX-License-Identifier: MIT */
#include "base/json_lines.h"

#include <stdio.h>
#include <string.h>

#include "base/map.h"

enum { WHERE_MAX = 320 };

static bool is_blank(const char *line, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
            return false;
    return true;
}

static int read_line(const char *line, size_t n, const char *where,
                     json_line_fn *fn, void *ctx, struct err *e)
{
    json_error_t why;
    json_t *object = json_loadb(line, n, JSON_REJECT_DUPLICATES, &why);
    if (object == NULL)
        return err_set(e, ERR_INPUT, "%s: column %d: %s", where, why.column,
                       why.text);
    int code = json_is_object(object)
                   ? fn(ctx, object, where, e)
                   : err_set(e, ERR_INPUT, "%s: not a JSON object", where);
    json_decref(object);
    return code;
}

static int read_lines(const char *text, size_t size, const char *path,
                      json_line_fn *fn, void *ctx, struct err *e)
{
    size_t number = 1;
    for (size_t at = 0; at < size; number++) {
        const char *line = text + at, *end = memchr(line, '\n', size - at);
        size_t n = end != NULL ? (size_t)(end - line) : size - at;
        char where[WHERE_MAX];
        (void)snprintf(where, sizeof where, "%.280s: line %zu", path, number);
        if (!is_blank(line, n))
            TRY(read_line(line, n, where, fn, ctx, e));
        at += n + 1;
    }
    return 0;
}

int json_each_line(const char *path, json_line_fn *fn, void *ctx, struct err *e)
{
    struct map m;
    TRY(map_open(&m, path, e));
    map_advise_sequential(&m);
    int code = read_lines((const char *)m.data, m.size, path, fn, ctx, e);
    map_close(&m);
    return code;
}
