/* SPDX-License-Identifier: MIT */
#include "store/tables.h"

#include <sqlite3.h>

#include "store/database.h"
#include "store/schema_sql.h"

/* Of a table its columns, each with what PRAGMA table_xinfo calls hidden: 0 for
 * all but computed ones and those of virtual tables. Without a row: no ordinary
 * table has that name. */
static const char shape_sql[] =
    "SELECT (SELECT group_concat(name || ' ' || hidden) FROM"
    " pragma_table_xinfo(s.name)) FROM main.sqlite_schema AS s"
    " WHERE s.name = ? AND s.type = 'table' AND s.rootpage > 0";

static const char names_sql[] =
    "SELECT name FROM sqlite_schema WHERE type = 'table'";

struct work {
    sqlite3 *ours; /* schema.sql in memory */
    sqlite3_stmt *names, *expected, *found;
    const char *path;
};

static int open_ours(struct work *w, sqlite3 *db, struct err *e)
{
    if (sqlite3_open_v2(":memory:", &w->ours,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK ||
        sqlite3_exec(w->ours, (const char *)schema_sql, NULL, NULL, NULL) !=
            SQLITE_OK)
        return store_error(w->ours, "check", w->path, e);
    TRY(store_prepare(&w->names, w->ours, w->path, names_sql, e));
    TRY(store_prepare(&w->expected, w->ours, w->path, shape_sql, e));
    return store_prepare(&w->found, db, w->path, shape_sql, e);
}

/* Whether both have the table; the statements stand at its row then. */
static bool find(struct work *w, const char *name)
{
    return sqlite3_bind_text(w->expected, 1, name, -1, SQLITE_STATIC) ==
               SQLITE_OK &&
           sqlite3_bind_text(w->found, 1, name, -1, SQLITE_STATIC) ==
               SQLITE_OK &&
           sqlite3_step(w->expected) == SQLITE_ROW &&
           sqlite3_step(w->found) == SQLITE_ROW;
}

static int check_table(struct work *w, sqlite3 *db, struct err *e)
{
    const char *name = (const char *)sqlite3_column_text(w->names, 0);
    bool same =
        find(w, name) &&
        store_column_is(w->found, 0,
                        (const char *)sqlite3_column_text(w->expected, 0));
    int found = sqlite3_reset(w->found);
    (void)sqlite3_reset(w->expected);
    if (found != SQLITE_OK)
        return store_error(db, "check", w->path, e);
    if (!same)
        return err_set(e, ERR_INPUT,
                       "%s is not as headscope makes it: %s is missing, or no "
                       "table, or has other columns",
                       w->path, name);
    return 0;
}

static int check_all(struct work *w, sqlite3 *db, struct err *e)
{
    TRY(open_ours(w, db, e));
    while (sqlite3_step(w->names) == SQLITE_ROW)
        TRY(check_table(w, db, e));
    return sqlite3_reset(w->names) == SQLITE_OK
               ? 0
               : store_error(w->ours, "check", w->path, e);
}

int store_check_tables(struct sqlite3 *db, const char *path, struct err *e)
{
    struct work w = {.path = path};
    int code = check_all(&w, db, e);
    (void)sqlite3_finalize(w.names);
    (void)sqlite3_finalize(w.expected);
    (void)sqlite3_finalize(w.found);
    (void)sqlite3_close(w.ours);
    return code;
}
