/* SPDX-License-Identifier: MIT */
#include "store/insert.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "store/database.h"
#include "store/stream.h"

enum { WAITING_ROWS = 36864 };

static const struct {
    const char *name;
    int columns;
    bool many;
} tables[] = {
#define X(name, table, columns, many) {table, columns, many},
    INSERT_TABLES(X)
#undef X
};

#define X(name, table, columns, many)                                          \
    _Static_assert(!(many) || (columns)-1 <= STREAM_COLUMNS_MAX, table);
INSERT_TABLES(X)
#undef X

/* A token string that an earlier dump has brought is counted on. */
static const char *end_of(enum insert_table table)
{
    return table == INSERT_VOCAB ? ") ON CONFLICT (id) DO UPDATE"
                                   " SET count = count + excluded.count"
                                 : ")";
}

int inserts_prepare(struct inserts *all, struct sqlite3 *db, const char *path,
                    struct err *e)
{
    *all = (struct inserts){.db = db, .path = path};
    for (int t = 0; t < INSERT_N; t++) {
        if (tables[t].many)
            continue;
        char sql[160];
        int used = snprintf(sql, sizeof sql, "INSERT INTO %s VALUES (?",
                            tables[t].name);
        for (int c = 1; c < tables[t].columns; c++)
            used += snprintf(sql + used, sizeof sql - (size_t)used, ", ?");
        (void)snprintf(sql + used, sizeof sql - (size_t)used, "%s",
                       end_of((enum insert_table)t));
        TRY(store_prepare(&all->stmt[t], db, path, sql, e));
    }
    return 0;
}

void inserts_finalize(struct inserts *all)
{
    for (int t = 0; t < INSERT_N; t++) {
        (void)sqlite3_finalize(all->stmt[t]);
        free(all->waiting[t]);
    }
    *all = (struct inserts){0};
}

/* ---- many rows ---- */

static struct stream_cell *row_waiting(struct inserts *all,
                                       enum insert_table table)
{
    size_t columns = (size_t)tables[table].columns;
    if (all->waiting[table] == NULL)
        all->waiting[table] =
            malloc(WAITING_ROWS * columns * sizeof *all->waiting[table]);
    if (all->waiting[table] == NULL)
        return NULL;
    return all->waiting[table] + all->n[table] * columns;
}

static int flush_table(struct inserts *all, enum insert_table table,
                       struct err *e)
{
    struct stream_cell *cells = all->waiting[table];
    struct store_array array = {cells, all->n[table]};
    if (array.n == 0)
        return 0;
    all->n[table] = 0;
    struct stream_shape shape = {.table = tables[table].name,
                                 .row_bytes = (size_t)tables[table].columns *
                                              sizeof *cells,
                                 .columns = tables[table].columns - 1};
    for (int c = 0; c < shape.columns; c++)
        shape.column[c] = (struct stream_column){
            STREAM_CELL, (size_t)(c + 1) * sizeof *cells};
    struct store_source source = {store_array_next, &array};
    struct stream_keys keys = {.sae = cells->integer};
    return stream_insert(all->db, all->path, &shape, &keys, &source, e);
}

int inserts_flush(struct inserts *all, struct err *e)
{
    for (int t = 0; t < INSERT_N; t++)
        TRY(flush_table(all, (enum insert_table)t, e));
    return 0;
}

/* ---- rows ---- */

struct row row_begin(struct inserts *all, enum insert_table table)
{
    struct row r = {.table = table, .stmt = all->stmt[table]};
    if (tables[table].many) {
        r.cells = row_waiting(all, table);
        r.bad = r.cells == NULL;
    }
    return r;
}

/* Where the next value of a row that waits goes, or NULL. */
static struct stream_cell *next_cell(struct row *r, enum stream_cell_type type)
{
    struct stream_cell *cell = r->cells != NULL ? &r->cells[r->column] : NULL;
    r->column++;
    if (cell != NULL)
        cell->type = type;
    return cell;
}

void row_int(struct row *r, int64_t value)
{
    struct stream_cell *cell = next_cell(r, STREAM_CELL_INTEGER);
    if (cell != NULL)
        cell->integer = value;
    if (r->stmt != NULL)
        r->bad |= sqlite3_bind_int64(r->stmt, r->column, value);
}

void row_real(struct row *r, double value)
{
    struct stream_cell *cell = next_cell(r, STREAM_CELL_REAL);
    if (cell != NULL)
        cell->real = value;
    if (r->stmt != NULL)
        r->bad |= sqlite3_bind_double(r->stmt, r->column, value);
}

void row_text(struct row *r, const char *text)
{
    struct stream_cell *cell = next_cell(r, STREAM_CELL_TEXT);
    if (cell != NULL)
        cell->text = text;
    if (r->stmt != NULL)
        r->bad |=
            sqlite3_bind_text(r->stmt, r->column, text, -1, SQLITE_STATIC);
}

void row_bytes_as_text(struct row *r, const char *text, size_t length)
{
    assert(r->stmt != NULL);
    r->bad |= sqlite3_bind_text64(r->stmt, ++r->column, text, length,
                                  SQLITE_STATIC, SQLITE_UTF8);
}

void row_blob(struct row *r, const char *bytes, size_t length)
{
    assert(r->stmt != NULL);
    r->bad |=
        sqlite3_bind_blob64(r->stmt, ++r->column, bytes, length, SQLITE_STATIC);
}

void row_null(struct row *r)
{
    assert(r->stmt != NULL);
    r->bad |= sqlite3_bind_null(r->stmt, ++r->column);
}

void row_int_if(struct row *r, int known, int64_t value)
{
    if (known)
        row_int(r, value);
    else
        row_null(r);
}

int row_end(struct row *r, struct inserts *all, struct err *e)
{
    assert(r->column == tables[r->table].columns);
    if (tables[r->table].many) {
        if (r->bad)
            return err_memory(e, tables[r->table].name,
                              WAITING_ROWS * (size_t)r->column *
                                  sizeof *r->cells);
        return ++all->n[r->table] < WAITING_ROWS
                   ? 0
                   : flush_table(all, r->table, e);
    }
    int stepped = r->bad ? SQLITE_ERROR : sqlite3_step(r->stmt);
    /* The reset repeats the error of the step. */
    if (sqlite3_reset(r->stmt) != SQLITE_OK || stepped != SQLITE_DONE)
        return store_error(all->db, "write", all->path, e);
    return 0;
}
