/* SPDX-License-Identifier: MIT */
#include "capture/jsonl.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

int jsonl_open(struct jsonl *j, const char *path,
               const struct jsonl_fields *fields, struct err *e)
{
    *j = (struct jsonl){.path = path, .fields = *fields};
    TRY(map_open(&j->map, path, e));
    map_advise_sequential(&j->map);
    return 0;
}

void jsonl_close(struct jsonl *j)
{
    json_decref(j->row);
    map_close(&j->map);
    *j = (struct jsonl){0};
}

static int parse(struct jsonl *j, const char *line, size_t size, struct err *e)
{
    json_error_t problem;
    size_t valid = utf8_valid_prefix(line, size);
    if (valid < size)
        return err_set(e, ERR_INPUT,
                       "%s: byte %zu of the line is not UTF-8: 0x%02X",
                       j->where, valid, (unsigned)(unsigned char)line[valid]);
    json_decref(j->row);
    j->row = json_loadb(
        line, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY,
        &problem);
    if (j->row == NULL)
        return err_set(e, ERR_INPUT, "%s: no valid JSON: %s", j->where,
                       problem.text);
    if (!json_is_object(j->row))
        return err_set(e, ERR_INPUT, "%s: must be an object with a field '%s'",
                       j->where, j->fields.text);
    return 0;
}

static int read_text(struct jsonl *j, struct err *e)
{
    json_t *text;
    TRY(json_need(&text, j->row, j->fields.text, JSON_STRING, j->where, e));
    j->text = json_string_value(text);
    j->size = json_string_length(text);
    return 0;
}

/* A number, true or false as a name. */
static const char *spell(struct jsonl *j, const json_t *value)
{
    if (json_is_real(value))
        (void)snprintf(j->spelt, sizeof j->spelt, "%.17g",
                       json_real_value(value));
    else if (json_is_integer(value))
        (void)snprintf(j->spelt, sizeof j->spelt, "%lld",
                       (long long)json_integer_value(value));
    else
        (void)snprintf(j->spelt, sizeof j->spelt, "%s",
                       json_is_true(value) ? "true" : "false");
    return j->spelt;
}

static int read_group(struct jsonl *j, struct err *e)
{
    const char *field = j->fields.group;
    j->group = NULL;
    if (field == NULL)
        return 0;
    const json_t *value = json_object_get(j->row, field);
    if (value == NULL)
        return err_set(e, ERR_INPUT, "%s: '%s' is missing", j->where, field);
    if (json_is_null(value))
        return 0;
    j->group = json_is_number(value) || json_is_boolean(value)
                   ? spell(j, value)
                   : json_string_value(value);
    if (j->group == j->spelt)
        return 0;
    if (j->group == NULL || *j->group == '\0' ||
        strlen(j->group) != json_string_length(value))
        return err_set(e, ERR_INPUT,
                       "%s: '%s' must be a name, that is a string that is not "
                       "empty and without NUL, or a number",
                       j->where, field);
    return 0;
}

static bool is_blank(const char *line, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (strchr(" \t\r", line[i]) == NULL || line[i] == '\0')
            return false;
    return true;
}

int jsonl_next(struct jsonl *j, bool *more, struct err *e)
{
    const char *data = (const char *)j->map.data;
    while (j->at < j->map.size) {
        const char *line = data + j->at;
        const char *end = memchr(line, '\n', j->map.size - j->at);
        size_t size = end != NULL ? (size_t)(end - line) : j->map.size - j->at;
        j->at += size + (end != NULL);
        j->line++;
        if (is_blank(line, size))
            continue;
        (void)snprintf(j->where, sizeof j->where, "%.400s: line %zu", j->path,
                       j->line);
        TRY(parse(j, line, size, e));
        TRY(read_text(j, e));
        TRY(read_group(j, e));
        *more = true;
        return 0;
    }
    *more = false;
    return 0;
}
