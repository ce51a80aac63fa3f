/* SPDX-License-Identifier: MIT */
#include "store/database.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "base/output.h"

int store_error(struct sqlite3 *db, const char *doing, const char *path,
                struct err *e)
{
    int code = db == NULL ? SQLITE_NOMEM : sqlite3_errcode(db) & 0xff;
    switch (code) {
    case SQLITE_NOMEM:
        return err_set(e, ERR_MEMORY, "no memory to %s %s", doing, path);
    case SQLITE_FULL:
        return err_set(e, ERR_INPUT,
                       "cannot %s %s: the disk is full; make room, or keep "
                       "fewer rows (--rows)",
                       doing, path);
    case SQLITE_BUSY:
        return err_set(e, ERR_INPUT,
                       "cannot %s %s: another program is using it; try again "
                       "when that is done",
                       doing, path);
    case SQLITE_NOTADB:
        return err_set(e, ERR_INPUT, "%s is no SQLite database", path);
    case SQLITE_CORRUPT:
        return err_set(e, ERR_INPUT, "%s is damaged: %s", path,
                       sqlite3_errmsg(db));
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
        if (sqlite3_system_errno(db) != 0) {
            errno = sqlite3_system_errno(db);
            return err_errno(e, "cannot %s %s", doing, path);
        }
        return err_set(e, ERR_INPUT, "cannot %s %s: %s", doing, path,
                       sqlite3_errmsg(db));
    default:
        return err_set(e, ERR_SYSTEM, "cannot %s %s: %s", doing, path,
                       sqlite3_errmsg(db));
    }
}

int store_prepare(struct sqlite3_stmt **stmt, struct sqlite3 *db,
                  const char *path, const char *sql, struct err *e)
{
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, stmt,
                           NULL) != SQLITE_OK)
        return store_error(db, "use", path, e);
    return 0;
}

int store_number(int64_t *out, struct sqlite3 *db, const char *path,
                 const char *sql, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    TRY(store_prepare(&stmt, db, path, sql, e));
    int code = 0;
    if (sqlite3_step(stmt) == SQLITE_ROW)
        *out = sqlite3_column_int64(stmt, 0);
    else
        code = store_error(db, "read", path, e);
    (void)sqlite3_finalize(stmt);
    return code;
}

int store_check_identity(struct sqlite3 *db, const char *path, struct err *e)
{
    int64_t id = 0, version = 0;
    TRY(store_number(&id, db, path, "PRAGMA application_id", e));
    TRY(store_number(&version, db, path, "PRAGMA user_version", e));
    if (id != STORE_APPLICATION_ID)
        return err_set(e, ERR_INPUT,
                       "%s is an SQLite database, but not one of headscope",
                       path);
    if (version != STORE_SCHEMA_VERSION)
        return err_set(e, ERR_INPUT,
                       "%s has schema version %lld, this headscope reads %d; "
                       "encode again",
                       path, (long long)version, STORE_SCHEMA_VERSION);
    return 0;
}

/* SQLite has names of its own (":memory:", "file:..."): with a folder in front
 * a name is a name. And it would open a folder. */
static int open_file(struct sqlite3 **db, const char *path, int flags,
                     struct err *e)
{
    char name[OUTPUT_PATH_MAX];
    TRY(output_join(name, path[0] == '/' ? "" : ".", path, e));
    struct stat st;
    if (stat(path, &st) != 0)
        return err_errno(e, "cannot open %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_INPUT, "%s is not a regular file", path);
    if (sqlite3_open_v2(name, db, flags | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        return store_error(*db, "open", path, e);
    /* The file may come from anyone: its schema gets no power. */
    if (sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) !=
            SQLITE_OK ||
        sqlite3_db_config(*db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL) !=
            SQLITE_OK ||
        sqlite3_db_config(*db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL) !=
            SQLITE_OK)
        return store_error(*db, "open", path, e);
    return 0;
}

static int open_checked(struct sqlite3 **db, const char *path, int flags,
                        struct err *e)
{
    *db = NULL;
    int code = open_file(db, path, flags, e);
    /* Another program may hold the file for a moment. */
    if (code == 0)
        (void)sqlite3_busy_timeout(*db, 1000 /* ms */);
    if (code == 0)
        code = store_check_identity(*db, path, e);
    return code;
}

static void close_failed(struct sqlite3 **db)
{
    (void)sqlite3_close(*db);
    *db = NULL;
}

int store_open_any(struct sqlite3 **db, const char *path, struct err *e)
{
    *db = NULL;
    int code = open_file(db, path, SQLITE_OPEN_READWRITE, e);
    if (code == 0)
        (void)sqlite3_busy_timeout(*db, 1000 /* ms */);
    else
        close_failed(db);
    return code;
}

int store_open_write(struct sqlite3 **db, const char *path, struct err *e)
{
    int code = open_checked(db, path, SQLITE_OPEN_READWRITE, e);
    if (code == 0 && sqlite3_db_readonly(*db, "main") != 0)
        code = err_set(e, ERR_INPUT, "cannot write %s: it is read-only", path);
    if (code != 0)
        close_failed(db);
    return code;
}

/* A program that was killed while it wrote leaves the file with a journal: the
 * first that opens it for writing takes what was half done back. */
static int recover(const char *path, struct err *e)
{
    struct sqlite3 *db;
    TRY(store_open_write(&db, path, e));
    (void)sqlite3_close(db);
    return 0;
}

int store_open_read(struct sqlite3 **db, const char *path, struct err *e)
{
    int code = open_checked(db, path, SQLITE_OPEN_READONLY, e);
    if (code != 0 && *db != NULL &&
        sqlite3_extended_errcode(*db) == SQLITE_READONLY_ROLLBACK) {
        close_failed(db);
        if (recover(path, e) != 0)
            return err_prefix(e,
                              "%s was left half written and must be put "
                              "right first",
                              path);
        code = open_checked(db, path, SQLITE_OPEN_READONLY, e);
    }
    if (code != 0)
        close_failed(db);
    return code;
}

bool store_column_is(struct sqlite3_stmt *row, int column, const char *text)
{
    const unsigned char *found = sqlite3_column_text(row, column);
    return found != NULL && strcmp((const char *)found, text) == 0;
}

json_t *store_row_object(struct sqlite3_stmt *row)
{
    json_t *object = json_object();
    for (int c = 0; c < sqlite3_column_count(row); c++) {
        json_t *value = NULL;
        if (sqlite3_column_type(row, c) == SQLITE_INTEGER)
            value = json_integer(sqlite3_column_int64(row, c));
        else if (sqlite3_column_type(row, c) == SQLITE_FLOAT)
            value = json_real(sqlite3_column_double(row, c));
        else if (sqlite3_column_type(row, c) == SQLITE_TEXT)
            value = json_stringn((const char *)sqlite3_column_text(row, c),
                                 (size_t)sqlite3_column_bytes(row, c));
        if (value == NULL)
            value = json_null();
        if (json_object_set_new(object, sqlite3_column_name(row, c), value) !=
            0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}
