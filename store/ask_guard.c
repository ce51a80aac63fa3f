/* SPDX-License-Identifier: MIT */
#include "store/ask_guard.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <sqlite3.h>

#include "store/ask.h"
#include "store/database.h"

/* Of SQLite's own functions those that compute from what they are given.
 * Missing on purpose: load_extension, fts3_tokenizer and all that belongs to
 * virtual tables, and what tells of the build; format and printf, as SQLite
 * 3.40 goes through the two thousand million letters of each '%.2000000000c' in
 * one step, within which no bound of time is heeded. */
static const char *const functions[] = {
    "->",
    "->>",
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "avg",
    "ceil",
    "ceiling",
    "changes",
    "char",
    "coalesce",
    "cos",
    "cosh",
    "count",
    "cume_dist",
    "current_date",
    "current_time",
    "current_timestamp",
    "date",
    "datetime",
    "degrees",
    "dense_rank",
    "exp",
    "first_value",
    "floor",
    "glob",
    "group_concat",
    "hex",
    "ifnull",
    "iif",
    "instr",
    "json",
    "json_array",
    "json_array_length",
    "json_extract",
    "json_group_array",
    "json_group_object",
    "json_insert",
    "json_object",
    "json_patch",
    "json_quote",
    "json_remove",
    "json_replace",
    "json_set",
    "json_type",
    "json_valid",
    "julianday",
    "lag",
    "last_value",
    "lead",
    "length",
    "like",
    "likelihood",
    "likely",
    "ln",
    "log",
    "log10",
    "log2",
    "lower",
    "ltrim",
    "max",
    "min",
    "mod",
    "nth_value",
    "ntile",
    "nullif",
    "percent_rank",
    "pi",
    "pow",
    "power",
    "quote",
    "radians",
    "random",
    "randomblob",
    "rank",
    "replace",
    "round",
    "row_number",
    "rtrim",
    "sign",
    "sin",
    "sinh",
    "sqlite_version",
    "sqrt",
    "strftime",
    "substr",
    "substring",
    "sum",
    "tan",
    "tanh",
    "time",
    "total",
    "trim",
    "trunc",
    "typeof",
    "unicode",
    "unixepoch",
    "unlikely",
    "upper",
    "zeroblob",
};

/* What is more than reading, by what SQLite's authorizer calls it. */
static const struct {
    int action;
    const char *words;
} refused[] = {
    {SQLITE_ATTACH, "ATTACH"},
    {SQLITE_DETACH, "DETACH"},
    {SQLITE_PRAGMA, "PRAGMA"},
    {SQLITE_INSERT, "INSERT"},
    {SQLITE_UPDATE, "UPDATE"},
    {SQLITE_DELETE, "DELETE"},
    {SQLITE_TRANSACTION, "a transaction"},
    {SQLITE_SAVEPOINT, "a savepoint"},
    {SQLITE_ANALYZE, "ANALYZE"},
    {SQLITE_REINDEX, "REINDEX"},
    {SQLITE_ALTER_TABLE, "ALTER TABLE"},
    {SQLITE_CREATE_VTABLE, "CREATE VIRTUAL TABLE"},
};

/* ---- the authorizer ---- */

static int refuse(struct ask_guard *guard, const char *what, const char *name)
{
    if (guard->refusal[0] == '\0')
        (void)snprintf(guard->refusal, sizeof guard->refusal,
                       "%s%.80s is not allowed here: a question may only read "
                       "the tables of this file",
                       what, name);
    return SQLITE_DENY;
}

static bool is_function(const char *name)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (strcasecmp(name, functions[i]) == 0)
            return true;
    return false;
}

/* Without a column, SQLite gives the name as it stands in the question, and
 * that may be one that the question itself has defined (WITH). A virtual table
 * of that name cannot be meant: none can be connected any more. */
static bool is_table(const struct ask_guard *guard, const char *name,
                     const char *column)
{
    static const char *const always[] = {"sqlite_schema", "sqlite_master",
                                         "json_each", "json_tree"};
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        if (strcmp(name, always[i]) == 0)
            return true;
    return column[0] == '\0' || json_object_get(guard->tables, name) != NULL;
}

/* Connecting a virtual table writes it into the schema that is in memory. */
static bool is_connection(int action, const char *table)
{
    return action == SQLITE_UPDATE && strcmp(table, "sqlite_master") == 0;
}

/* first and second are names that depend on the action. */
static int authorize(void *context, int action, const char *first,
                     const char *second, const char *schema, const char *inside)
{
    struct ask_guard *guard = context;
    (void)schema;
    (void)inside;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_READ:
        return is_table(guard, first, second)
                   ? SQLITE_OK
                   : refuse(guard, "the table ", first);
    case SQLITE_FUNCTION:
        return is_function(second) ? SQLITE_OK
                                   : refuse(guard, "the function ", second);
    default:
        break;
    }
    if (is_connection(action, first))
        return refuse(guard, "a virtual table", "");
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (refused[i].action == action)
            return refuse(guard, refused[i].words, "");
    return refuse(guard, "that", "");
}

/* ---- setting it ---- */

/* Tables and views, but no virtual tables: those have no page of their own. */
static int read_tables(struct ask_guard *guard, struct sqlite3 *db,
                       const char *path, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    guard->tables = json_object();
    TRY(store_prepare(&stmt, db, path,
                      "SELECT name FROM main.sqlite_schema WHERE type = 'view'"
                      " OR (type = 'table' AND rootpage > 0)",
                      e));
    int result;
    while ((result = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        /* A name that is no UTF-8 is not taken, and so not read. */
        if (name != NULL)
            (void)json_object_set_new(guard->tables, name, json_true());
    }
    int code = result == SQLITE_DONE ? 0 : store_error(db, "read", path, e);
    (void)sqlite3_finalize(stmt);
    return code;
}

static void set_limits(struct sqlite3 *db)
{
    static const struct {
        int what, most;
    } limits[] = {
        {SQLITE_LIMIT_LENGTH, ASK_LENGTH_MAX},
        {SQLITE_LIMIT_SQL_LENGTH, ASK_SQL_MAX},
        {SQLITE_LIMIT_COLUMN, ASK_COLUMNS_MAX},
        {SQLITE_LIMIT_EXPR_DEPTH, 100},
        {SQLITE_LIMIT_COMPOUND_SELECT, 50},
        {SQLITE_LIMIT_VDBE_OP, 50000},
        {SQLITE_LIMIT_FUNCTION_ARG, 64},
        {SQLITE_LIMIT_ATTACHED, 0},
        {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200},
        {SQLITE_LIMIT_VARIABLE_NUMBER, 64},
        {SQLITE_LIMIT_TRIGGER_DEPTH, 1},
        {SQLITE_LIMIT_WORKER_THREADS, 0},
    };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        (void)sqlite3_limit(db, limits[i].what, limits[i].most);
}

/* The two that may be used, connected while that is still allowed. */
static const char connect_virtual[] =
    "SELECT 1 FROM json_each('[]'), json_tree('[]')";

int ask_guard_set(struct ask_guard *guard, struct sqlite3 *db, const char *path,
                  struct err *e)
{
    *guard = (struct ask_guard){0};
    TRY(read_tables(guard, db, path, e));
    /* What is sorted stays in memory, which ask.c counts: on the disk nobody
     * would. */
    if (sqlite3_exec(db,
                     "PRAGMA query_only = 1; PRAGMA temp_store = MEMORY;"
                     " PRAGMA cache_size = -8000; PRAGMA mmap_size = 0",
                     NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db, connect_virtual, NULL, NULL, NULL) != SQLITE_OK)
        return store_error(db, "read", path, e);
    set_limits(db);
    (void)sqlite3_set_authorizer(db, authorize, guard);
    return 0;
}

void ask_guard_free(struct ask_guard *guard)
{
    json_decref(guard->tables);
    *guard = (struct ask_guard){0};
}
