/* SPDX-License-Identifier: MIT */
#include "base/json_lines.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

int json_lines_open(struct json_lines *l, const char *path, struct err *e)
{
    *l = (struct json_lines){.path = path};
    TRY(map_open(&l->map, path, e));
    map_advise_sequential(&l->map);
    return 0;
}

void json_lines_close(struct json_lines *l)
{
    json_decref(l->object);
    map_close(&l->map);
    *l = (struct json_lines){0};
}

static int parse(struct json_lines *l, const char *line, size_t size,
                 struct err *e)
{
    json_error_t problem;
    size_t valid = utf8_valid_prefix(line, size);
    if (valid < size)
        return err_set(e, ERR_INPUT,
                       "%s: byte %zu of the line is not UTF-8: 0x%02X",
                       l->where, valid, (unsigned)(unsigned char)line[valid]);
    json_decref(l->object);
    l->object = json_loadb(
        line, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY,
        &problem);
    if (l->object == NULL)
        return err_set(e, ERR_INPUT, "%s: no valid JSON: %s", l->where,
                       problem.text);
    if (!json_is_object(l->object))
        return err_set(e, ERR_INPUT, "%s: must be a JSON object", l->where);
    return 0;
}

static bool is_blank(const char *line, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (strchr(" \t\r", line[i]) == NULL || line[i] == '\0')
            return false;
    return true;
}

int json_lines_next(struct json_lines *l, bool *more, struct err *e)
{
    const char *data = (const char *)l->map.data;
    while (l->at < l->map.size) {
        const char *line = data + l->at;
        const char *end = memchr(line, '\n', l->map.size - l->at);
        size_t size = end != NULL ? (size_t)(end - line) : l->map.size - l->at;
        l->at += size + (end != NULL);
        l->line++;
        if (is_blank(line, size))
            continue;
        (void)snprintf(l->where, sizeof l->where, "%.400s: line %zu", l->path,
                       l->line);
        TRY(parse(l, line, size, e));
        *more = true;
        return 0;
    }
    *more = false;
    return 0;
}
