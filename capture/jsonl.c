/* SPDX-License-Identifier: MIT */
#include "capture/jsonl.h"

#include <stdio.h>
#include <string.h>

int jsonl_open(struct jsonl *j, const char *path,
               const struct jsonl_fields *fields, struct err *e)
{
    *j = (struct jsonl){.fields = *fields};
    return json_lines_open(&j->lines, path, e);
}

void jsonl_close(struct jsonl *j)
{
    json_lines_close(&j->lines);
    *j = (struct jsonl){0};
}

static int read_text(struct jsonl *j, struct err *e)
{
    json_t *text;
    TRY(json_need(&text, j->lines.object, j->fields.text, JSON_STRING,
                  j->lines.where, e));
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
    const json_t *value = json_object_get(j->lines.object, field);
    if (value == NULL)
        return err_set(e, ERR_INPUT, "%s: '%s' is missing", j->lines.where,
                       field);
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
                       j->lines.where, field);
    return 0;
}

int jsonl_next(struct jsonl *j, bool *more, struct err *e)
{
    TRY(json_lines_next(&j->lines, more, e));
    if (!*more)
        return 0;
    TRY(read_text(j, e));
    return read_group(j, e);
}
