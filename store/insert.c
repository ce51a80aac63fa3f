/* SPDX-License-Identifier: MIT */
#include "store/insert.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "store/database.h"

static const struct {
    const char *name;
    int columns;
} tables[] = {
#define X(name, table, columns) {table, columns},
    INSERT_TABLES(X)
#undef X
};

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
    for (int t = 0; t < INSERT_N; t++)
        (void)sqlite3_finalize(all->stmt[t]);
    *all = (struct inserts){0};
}

struct row row_begin(const struct inserts *all, enum insert_table table)
{
    return (struct row){.stmt = all->stmt[table]};
}

void row_int(struct row *r, int64_t value)
{
    r->bad |= sqlite3_bind_int64(r->stmt, ++r->column, value);
}

void row_real(struct row *r, double value)
{
    r->bad |= sqlite3_bind_double(r->stmt, ++r->column, value);
}

void row_text(struct row *r, const char *text)
{
    row_bytes_as_text(r, text, text == NULL ? 0 : strlen(text));
}

void row_bytes_as_text(struct row *r, const char *text, size_t length)
{
    r->bad |= sqlite3_bind_text64(r->stmt, ++r->column, text, length,
                                  SQLITE_STATIC, SQLITE_UTF8);
}

void row_blob(struct row *r, const char *bytes, size_t length)
{
    r->bad |=
        sqlite3_bind_blob64(r->stmt, ++r->column, bytes, length, SQLITE_STATIC);
}

void row_null(struct row *r)
{
    r->bad |= sqlite3_bind_null(r->stmt, ++r->column);
}

void row_int_if(struct row *r, int known, int64_t value)
{
    if (known)
        row_int(r, value);
    else
        row_null(r);
}

int row_end(struct row *r, const struct inserts *all, struct err *e)
{
    assert(r->column == sqlite3_bind_parameter_count(r->stmt));
    int stepped = r->bad ? SQLITE_ERROR : sqlite3_step(r->stmt);
    /* The reset repeats the error of the step. */
    if (sqlite3_reset(r->stmt) != SQLITE_OK || stepped != SQLITE_DONE)
        return store_error(all->db, "write", all->path, e);
    return 0;
}
