/* SPDX-License-Identifier: MIT */
#include "viewer/csv.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- cells ---- */

/* A program that opens tables runs text that begins like these; a blank before
 * it makes it text. */
static bool is_formula(const char *text)
{
    return *text != '\0' && strchr("=+-@\t\r", *text) != NULL;
}

static void put_text(FILE *out, const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL && !is_formula(text)) {
        (void)fputs(text, out);
        return;
    }
    (void)fputs(is_formula(text) ? "\" " : "\"", out);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            (void)fputc('"', out);
        (void)fputc(*text, out);
    }
    (void)fputc('"', out);
}

static void put_cell(FILE *out, const json_t *value)
{
    if (value == NULL || json_is_null(value))
        return;
    if (json_is_string(value)) {
        put_text(out, json_string_value(value));
        return;
    }
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY |
                                       JSON_REAL_PRECISION(6));
    if (json_is_number(value) && text != NULL)
        (void)fputs(text, out);
    else
        put_text(out, text == NULL ? "" : text);
    free(text);
}

/* ---- rows ---- */

/* Rows that lie in others: `outer` is the row around, or NULL; `skip` is the
 * member of it that holds them. */
struct row {
    json_t *outer, *row;
    const char *skip;
};

/* Members as they stand in `like`, its own columns: names, or the values that
 * `of` has for them. Returns whether there was one. */
static bool put_members(FILE *out, json_t *like, const json_t *of,
                        const char *skip, bool begun)
{
    const char *name;
    json_t *value;
    json_object_foreach(like, name, value)
    {
        if (skip != NULL && strcmp(name, skip) == 0)
            continue;
        if (begun)
            (void)fputc(',', out);
        begun = true;
        if (of == NULL)
            put_text(out, name);
        else
            put_cell(out, json_object_get(of, name));
    }
    return begun;
}

static void put_line(FILE *out, const struct row *like, const struct row *of)
{
    bool begun = false;
    if (like->outer != NULL)
        begun = put_members(out, like->outer, of == NULL ? NULL : of->outer,
                            like->skip, false);
    (void)put_members(out, like->row, of == NULL ? NULL : of->row, NULL, begun);
    (void)fputs("\r\n", out);
}

static void put_row(FILE *out, struct row *first, struct row row)
{
    if (first->row == NULL) {
        *first = row;
        put_line(out, first, NULL);
    }
    put_line(out, first, &row);
}

static void put_rows(FILE *out, const json_t *answer, const char *path)
{
    char outer[32];
    const char *inner = strchr(path, '.');
    (void)snprintf(outer, sizeof outer, "%.*s", (int)strcspn(path, "."), path);
    struct row first = {0};
    size_t i, j;
    json_t *row, *nested;
    json_array_foreach(json_object_get(answer, outer), i, row)
    {
        if (inner == NULL) {
            put_row(out, &first, (struct row){.row = row});
            continue;
        }
        json_array_foreach(json_object_get(row, inner + 1), j, nested) put_row(
            out, &first,
            (struct row){.outer = row, .row = nested, .skip = inner + 1});
    }
}

char *csv_make(const json_t *answer, const char *path)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return NULL;
    put_rows(out, answer, path);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
