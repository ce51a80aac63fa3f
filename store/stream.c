/* SPDX-License-Identifier: MIT */
#include "store/stream.h"

#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "store/database.h"
#include "store/full_pages.h"

/* What an insertion is at. The module holds its address while it runs. */
struct stream {
    const struct stream_shape *shape;
    int64_t first_token;
    struct full_pages pages;
    int code; /* of the source */
    struct err *e;
};

struct table {
    sqlite3_vtab base;
    struct stream *stream;
};

struct cursor {
    sqlite3_vtab_cursor base;
    struct stream *stream;
    const char *row, *end; /* of the batch */
};

static int refill(struct cursor *c)
{
    struct stream *s = c->stream;
    const void *rows = NULL;
    size_t n = 0;
    s->code = full_pages_next(&s->pages, &rows, &n, s->e);
    c->row = rows;
    c->end = n > 0 ? c->row + n * s->shape->row_bytes : c->row;
    return s->code == 0 ? SQLITE_OK : SQLITE_ERROR;
}

/* ---- the virtual table, as SQLite wants it ---- */

static int table_connect(sqlite3 *db, void *aux, int argc,
                         const char *const *argv, sqlite3_vtab **out,
                         char **message)
{
    (void)argc;
    (void)argv;
    (void)message;
    struct table *t = sqlite3_malloc(sizeof *t);
    if (t == NULL)
        return SQLITE_NOMEM;
    memset(t, 0, sizeof *t);
    t->stream = aux;
    *out = &t->base;
    return sqlite3_declare_vtab(db, "CREATE TABLE stream (c0, c1, c2, c3, c4, "
                                    "c5, c6)");
}

static int table_disconnect(sqlite3_vtab *table)
{
    sqlite3_free(table);
    return SQLITE_OK;
}

static int table_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
    (void)table;
    (void)info;
    return SQLITE_OK;
}

static int cursor_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
    struct cursor *c = sqlite3_malloc(sizeof *c);
    if (c == NULL)
        return SQLITE_NOMEM;
    memset(c, 0, sizeof *c);
    c->stream = ((struct table *)table)->stream;
    *out = &c->base;
    return SQLITE_OK;
}

static int cursor_close(sqlite3_vtab_cursor *cursor)
{
    sqlite3_free(cursor);
    return SQLITE_OK;
}

static int cursor_filter(sqlite3_vtab_cursor *cursor, int plan,
                         const char *name, int argc, sqlite3_value **argv)
{
    (void)plan;
    (void)name;
    (void)argc;
    (void)argv;
    return refill((struct cursor *)cursor);
}

static int cursor_next(sqlite3_vtab_cursor *cursor)
{
    struct cursor *c = (struct cursor *)cursor;
    c->row += c->stream->shape->row_bytes;
    return c->row < c->end ? SQLITE_OK : refill(c);
}

static int cursor_eof(sqlite3_vtab_cursor *cursor)
{
    const struct cursor *c = (const struct cursor *)cursor;
    return c->row >= c->end;
}

static void give_cell(sqlite3_context *out, const struct stream_cell *cell)
{
    switch (cell->type) {
    case STREAM_CELL_INTEGER:
        sqlite3_result_int64(out, cell->integer);
        break;
    case STREAM_CELL_REAL:
        sqlite3_result_double(out, cell->real);
        break;
    case STREAM_CELL_TEXT:
        sqlite3_result_text(out, cell->text, -1, SQLITE_STATIC);
        break;
    }
}

static int cursor_column(sqlite3_vtab_cursor *cursor, sqlite3_context *out,
                         int i)
{
    const struct cursor *c = (const struct cursor *)cursor;
    const struct stream_column *column = &c->stream->shape->column[i];
    const char *at = c->row + column->offset;
    uint32_t u32;
    int number;
    int64_t int64;
    double real;
    switch (column->type) {
    case STREAM_U8:
        sqlite3_result_int64(out, *(const unsigned char *)at);
        break;
    case STREAM_U32:
        memcpy(&u32, at, sizeof u32);
        sqlite3_result_int64(out, u32);
        break;
    case STREAM_TOKEN:
        memcpy(&u32, at, sizeof u32);
        sqlite3_result_int64(out, c->stream->first_token + u32);
        break;
    case STREAM_TOKEN64:
        memcpy(&int64, at, sizeof int64);
        sqlite3_result_int64(out, c->stream->first_token + int64);
        break;
    case STREAM_INT:
        memcpy(&number, at, sizeof number);
        sqlite3_result_int64(out, number);
        break;
    case STREAM_INT64:
        memcpy(&int64, at, sizeof int64);
        sqlite3_result_int64(out, int64);
        break;
    case STREAM_CELL:
        give_cell(out, (const struct stream_cell *)(const void *)at);
        break;
    case STREAM_REAL:
        memcpy(&real, at, sizeof real);
        sqlite3_result_double(out, real);
        break;
    }
    return SQLITE_OK;
}

static int cursor_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *rowid)
{
    (void)cursor;
    *rowid = 0; /* nobody asks */
    return SQLITE_OK;
}

/* No xCreate: it is there by its name, and in no schema. */
static const sqlite3_module module = {
    .xConnect = table_connect,
    .xBestIndex = table_best_index,
    .xDisconnect = table_disconnect,
    .xOpen = cursor_open,
    .xClose = cursor_close,
    .xFilter = cursor_filter,
    .xNext = cursor_next,
    .xEof = cursor_eof,
    .xColumn = cursor_column,
    .xRowid = cursor_rowid,
};

/* ---- one insertion ---- */

static int run(struct stream *s, struct sqlite3 *db, const char *path,
               int64_t sae, struct err *e)
{
    char sql[160];
    int used =
        snprintf(sql, sizeof sql, "INSERT INTO %s SELECT ?1", s->shape->table);
    for (int i = 0; i < s->shape->columns; i++)
        used += snprintf(sql + used, sizeof sql - (size_t)used, ", c%d", i);
    (void)snprintf(sql + used, sizeof sql - (size_t)used, " FROM stream");
    sqlite3_stmt *stmt = NULL;
    int code = store_prepare(&stmt, db, path, sql, e);
    if (code != 0)
        return code;
    if (sqlite3_bind_int64(stmt, 1, sae) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_DONE)
        code = s->code != 0 ? s->code : store_error(db, "write", path, e);
    (void)sqlite3_finalize(stmt);
    return code;
}

int stream_insert(struct sqlite3 *db, const char *path,
                  const struct stream_shape *shape,
                  const struct stream_keys *keys,
                  const struct store_source *source, struct err *e)
{
    struct stream s = {
        .shape = shape, .first_token = keys->first_token, .e = e};
    int code = full_pages_init(&s.pages, source, shape->row_bytes, e);
    if (code == 0 &&
        sqlite3_create_module(db, "stream", &module, &s) != SQLITE_OK)
        code = store_error(db, "write", path, e);
    if (code == 0)
        code = run(&s, db, path, keys->sae, e);
    /* Without a module it is forgotten, and with it the address. */
    (void)sqlite3_create_module(db, "stream", NULL, NULL);
    full_pages_free(&s.pages);
    return code;
}
