/* SPDX-License-Identifier: MIT */
#include "viewer/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* What a reader of JSON that knows only doubles still has exactly. */
static const int64_t EXACT = INT64_C(1) << 53;

/* ---- text ---- */

static void put(struct table *t, const char *bytes, size_t size)
{
    if (t->lost)
        return;
    if (t->room - t->length < size) {
        size_t room = 2 * t->room + size + 4096;
        char *grown = realloc(t->text, room);
        if (grown == NULL) {
            t->lost = true;
            return;
        }
        t->text = grown;
        t->room = room;
    }
    memcpy(t->text + t->length, bytes, size);
    t->length += size;
}

static void put_string(struct table *t, const char *text)
{
    put(t, text, strlen(text));
}

static void put_hex(struct table *t, const char *bytes, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)bytes[i];
        const char pair[2] = {digits[c >> 4], digits[c & 15]};
        put(t, pair, 2);
    }
}

/* ---- JSON ---- */

/* Text that is UTF-8, in quotes. */
static void put_quoted(struct table *t, const char *text, size_t size)
{
    size_t from = 0;
    put_string(t, "\"");
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= ' ' && c != '"' && c != '\\')
            continue;
        char escaped[8];
        (void)snprintf(escaped, sizeof escaped, c < ' ' ? "\\u%04x" : "\\%c",
                       c);
        put(t, text + from, i - from);
        put_string(t, escaped);
        from = i + 1;
    }
    put(t, text + from, size - from);
    put_string(t, "\"");
}

static void put_json_bytes(struct table *t, const struct ask_cell *c)
{
    if (c->type == ASK_TEXT && utf8_valid_prefix(c->bytes, c->size) == c->size)
        put_quoted(t, c->bytes, c->size);
    else {
        put_string(t, c->type == ASK_TEXT ? "{\"bytes\":\"" : "{\"blob\":\"");
        put_hex(t, c->bytes, c->size);
        put_string(t, "\"}");
    }
}

static void put_json_number(struct table *t, const struct ask_cell *c)
{
    char text[64];
    if (c->type == ASK_REAL && !isfinite(c->real))
        (void)snprintf(text, sizeof text, "{\"real\":\"%s\"}",
                       c->real < 0 ? "-Inf" : "Inf");
    else if (c->type == ASK_REAL)
        (void)snprintf(text, sizeof text, "%.15g", c->real);
    else if (c->integer > EXACT || c->integer < -EXACT)
        (void)snprintf(text, sizeof text, "{\"integer\":\"%" PRId64 "\"}",
                       c->integer);
    else
        (void)snprintf(text, sizeof text, "%" PRId64, c->integer);
    put_string(t, text);
}

static void put_json(struct table *t, const struct ask_cell *c)
{
    if (c->type == ASK_NULL)
        put_string(t, "null");
    else if (c->type == ASK_TEXT || c->type == ASK_BLOB)
        put_json_bytes(t, c);
    else
        put_json_number(t, c);
}

/* ---- CSV: RFC 4180, lines end in \n ---- */

static void put_csv_text(struct table *t, const char *text, size_t size)
{
    put_string(t, "\"");
    for (size_t i = 0; i < size; i++)
        put(t, text[i] == '"' ? "\"\"" : text + i, text[i] == '"' ? 2 : 1);
    put_string(t, "\"");
}

/* Not known is an empty field without quotes. */
static void put_csv(struct table *t, const struct ask_cell *c)
{
    char text[32] = "";
    if (c->type == ASK_TEXT)
        put_csv_text(t, c->bytes, c->size);
    else if (c->type == ASK_BLOB)
        put_hex(t, c->bytes, c->size);
    else if (c->type == ASK_INTEGER)
        (void)snprintf(text, sizeof text, "%" PRId64, c->integer);
    else if (c->type == ASK_REAL)
        (void)snprintf(text, sizeof text, "%.15g", c->real);
    put_string(t, text);
}

/* ---- tables ---- */

void table_begin(struct table *t, enum table_format format, size_t most,
                 const struct ask *ask)
{
    *t = (struct table){.format = format, .most = most};
    put_string(t, format == TABLE_JSON ? "{\"columns\":[" : "");
    for (int i = 0; i < ask_columns(ask); i++) {
        const char *name = ask_column_name(ask, i);
        const struct ask_cell cell = {
            .type = ASK_TEXT, .bytes = name, .size = strlen(name)};
        put_string(t, i > 0 ? "," : "");
        if (format == TABLE_JSON)
            put_json(t, &cell);
        else
            put_csv(t, &cell);
    }
    put_string(t, format == TABLE_JSON ? "],\"rows\":[" : "\n");
}

static void put_row(struct table *t, const struct ask *ask)
{
    bool json = t->format == TABLE_JSON;
    if (json)
        put_string(t, t->rows > 0 ? ",[" : "[");
    for (int i = 0; i < ask_columns(ask); i++) {
        struct ask_cell cell = ask_cell(ask, i);
        put_string(t, i > 0 ? "," : "");
        if (json)
            put_json(t, &cell);
        else
            put_csv(t, &cell);
    }
    put_string(t, json ? "]" : "\n");
}

void table_row(struct table *t, const struct ask *ask)
{
    size_t before = t->length;
    put_row(t, ask);
    t->full = t->length > t->most;
    if (t->full)
        t->length = before;
    else
        t->rows++;
}

void table_end(struct table *t, const char *cut, double seconds)
{
    char text[64];
    if (t->format == TABLE_CSV)
        return;
    (void)snprintf(text, sizeof text, "],\"cut\":%s%s%s,\"seconds\":%.4f}",
                   cut == NULL ? "" : "\"", cut == NULL ? "null" : cut,
                   cut == NULL ? "" : "\"", seconds);
    put_string(t, text);
}
