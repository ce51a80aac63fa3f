/* SPDX-License-Identifier: MIT */
#include "store/label_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/output.h"
#include "store/database.h"

enum {
    APPLICATION_ID = 0x6873636c, /* "hscl" */
    VERSION = 1,
    /* For another that writes at the moment; who reads is not kept for long. */
    BUSY_MS = 3000,
    BUSY_READ_MS = 200,
};

static const char schema[] =
    "PRAGMA application_id = 0x6873636c; PRAGMA user_version = 1;"
    "CREATE TABLE label ("
    "    sae TEXT NOT NULL,        -- fingerprint of the SAE\n"
    "    feature INTEGER NOT NULL,"
    "    label TEXT NOT NULL,"
    "    starred INTEGER NOT NULL CHECK (starred IN (0, 1)),"
    "    note TEXT NOT NULL,"
    "    changed TEXT NOT NULL,    -- UTC\n"
    "    version INTEGER NOT NULL, -- counts the changes\n"
    "    PRIMARY KEY (sae, feature)"
    ") STRICT, WITHOUT ROWID";

static const char read_all[] =
    "SELECT sae, feature, label, note, starred, changed, version FROM label"
    " ORDER BY sae, feature";
static const char read_one[] =
    "SELECT sae, feature, label, note, starred, changed, version FROM label"
    " WHERE sae = ? AND feature = ?";
enum { SAE, FEATURE, TEXT, NOTE, STARRED, CHANGED, EDIT };

/* ---- opening ---- */

static int exec(struct sqlite3 *db, const char *path, const char *sql,
                struct err *e)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return store_error(db, "write", path, e);
    return 0;
}

/* Whether the file is ours; *empty: it holds nothing yet. */
static int check(bool *empty, struct sqlite3 *db, const char *path,
                 struct err *e)
{
    int64_t id = 0, version = 0, things = 0;
    TRY(store_number(&id, db, path, "PRAGMA application_id", e));
    TRY(store_number(&version, db, path, "PRAGMA user_version", e));
    TRY(store_number(&things, db, path, "SELECT count(*) FROM sqlite_schema",
                     e));
    *empty = id == 0 && version == 0 && things == 0;
    if (*empty)
        return 0;
    if (id != APPLICATION_ID)
        return err_set(e, ERR_INPUT,
                       "%s is not a file of labels; move it away and labels "
                       "can be written",
                       path);
    if (version != VERSION)
        return err_set(e, ERR_INPUT,
                       "%s has version %lld of labels, this headscope reads "
                       "%d: take the headscope that wrote it, or move the file "
                       "away",
                       path, (long long)version, VERSION);
    return 0;
}

static int open_file(struct sqlite3 **db, bool *empty, const char *path,
                     int flags, struct err *e)
{
    char name[OUTPUT_PATH_MAX];
    struct stat st;
    *db = NULL;
    TRY(output_join(name, path[0] == '/' ? "" : ".", path, e));
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return err_set(e, ERR_INPUT, "%s is not a regular file", path);
    int result = sqlite3_open_v2(name, db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (result != SQLITE_OK)
        return store_error(*db, "open", path, e);
    (void)sqlite3_busy_timeout(
        *db, (flags & SQLITE_OPEN_READONLY) != 0 ? BUSY_READ_MS : BUSY_MS);
    (void)sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(*db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_db_config(*db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    return check(empty, *db, path, e);
}

/* ---- reading ---- */

static const char *text_of(struct sqlite3_stmt *row, int column)
{
    const unsigned char *text = sqlite3_column_text(row, column);
    return text == NULL ? "" : (const char *)text;
}

static void copy(char *out, size_t size, struct sqlite3_stmt *row, int column)
{
    (void)snprintf(out, size, "%s", text_of(row, column));
}

static int take_row(struct label *out, struct sqlite3_stmt *row, struct err *e)
{
    const char *text = text_of(row, TEXT), *note = text_of(row, NOTE);
    size_t length = strlen(text) + 1, size = length + strlen(note) + 1;
    char *owned = malloc(size);
    if (owned == NULL)
        return err_memory(e, "a label", size);
    memcpy(owned, text, length);
    memcpy(owned + length, note, size - length);
    *out = (struct label){
        .feature = sqlite3_column_int64(row, FEATURE),
        .text = owned,
        .note = owned + length,
        .owned = owned,
        .starred = sqlite3_column_int(row, STARRED) != 0,
        .version = sqlite3_column_int64(row, EDIT),
    };
    copy(out->sae, sizeof out->sae, row, SAE);
    copy(out->changed, sizeof out->changed, row, CHANGED);
    return 0;
}

static int read_rows(struct sqlite3 *db, const char *path,
                     int (*take)(void *context, struct label *label,
                                 struct err *e),
                     void *context, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    TRY(store_prepare(&stmt, db, path, read_all, e));
    int code = 0, result = SQLITE_DONE;
    while (code == 0 && (result = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct label label;
        code = take_row(&label, stmt, e);
        if (code == 0)
            code = take(context, &label, e);
    }
    if (code == 0 && result != SQLITE_DONE)
        code = store_error(db, "read", path, e);
    (void)sqlite3_finalize(stmt);
    return code;
}

int label_file_read(const char *path,
                    int (*take)(void *context, struct label *label,
                                struct err *e),
                    void *context, struct err *e)
{
    struct sqlite3 *db = NULL;
    bool empty = true;
    if (path == NULL)
        return 0;
    int code = open_file(&db, &empty, path, SQLITE_OPEN_READONLY, e);
    /* What a killed program left half written is put right by the first that
     * opens the file for writing. */
    if (code != 0 && db != NULL &&
        sqlite3_extended_errcode(db) == SQLITE_READONLY_ROLLBACK) {
        (void)sqlite3_close(db);
        code = open_file(&db, &empty, path, SQLITE_OPEN_READWRITE, e);
    }
    if (code == 0 && !empty)
        code = read_rows(db, path, take, context, e);
    (void)sqlite3_close(db);
    return code;
}

/* ---- writing ---- */

/* An open file in a transaction, with its statements. */
struct writing {
    struct label_file *f;
    struct sqlite3 *db;
    struct sqlite3_stmt *find, *put;
    char now[LABEL_CHANGED];
};

static void bind_text(struct sqlite3_stmt *stmt, int place, const char *text)
{
    (void)sqlite3_bind_text(stmt, place, text, -1, SQLITE_STATIC);
}

/* The label that is there; version 0: none. What it owns is the
 * caller's. */
static int find(struct label *out, struct writing *w, const struct label *label,
                struct err *e)
{
    *out = (struct label){0};
    bind_text(w->find, 1, label->sae);
    (void)sqlite3_bind_int64(w->find, 2, label->feature);
    int result = sqlite3_step(w->find), code = 0;
    if (result == SQLITE_ROW)
        code = take_row(out, w->find, e);
    else if (result != SQLITE_DONE)
        code = store_error(w->db, "read", w->f->path, e);
    (void)sqlite3_reset(w->find);
    return code;
}

static int put(struct writing *w, const struct label *label, int64_t version,
               struct err *e)
{
    bool keeps_time =
        w->f->policy != LABELS_IF_VERSION && label->changed[0] != '\0';
    bind_text(w->put, 1, label->sae);
    (void)sqlite3_bind_int64(w->put, 2, label->feature);
    bind_text(w->put, 3, label->text);
    (void)sqlite3_bind_int(w->put, 4, label->starred);
    bind_text(w->put, 5, label->note);
    bind_text(w->put, 6, keeps_time ? label->changed : w->now);
    (void)sqlite3_bind_int64(w->put, 7, version);
    int code = sqlite3_step(w->put) == SQLITE_DONE
                   ? 0
                   : store_error(w->db, "write", w->f->path, e);
    (void)sqlite3_reset(w->put);
    return code;
}

static bool is_same(const struct label *a, const struct label *b)
{
    return strcmp(a->text, b->text) == 0 && strcmp(a->note, b->note) == 0 &&
           a->starred == b->starred;
}

static bool may_write(enum labels_policy policy, const struct label *old,
                      const struct label *label)
{
    if (policy == LABELS_IF_VERSION)
        return old->version == label->version;
    return policy == LABELS_REPLACE || old->version == 0 || label_is_empty(old);
}

static int write_one(struct writing *w, const struct label *label,
                     struct err *e)
{
    struct labels_written *written = &w->f->written;
    struct label old;
    TRY(find(&old, w, label, e));
    bool is_new = old.version == 0 || label_is_empty(&old);
    bool same = old.version > 0 ? is_same(&old, label) : label_is_empty(label);
    bool may = may_write(w->f->policy, &old, label);
    int64_t version = old.version + 1;
    free(old.owned);
    written->same += same;
    written->kept += !same && !may;
    if (same || !may)
        return 0;
    written->added += is_new;
    written->replaced += !is_new;
    return put(w, label, version, e);
}

/* SQLite makes files beside it for a change and would only say that it cannot.
 */
static int check_folder(const char *path, struct err *e)
{
    char folder[OUTPUT_PATH_MAX];
    const char *end = strrchr(path, '/');
    (void)snprintf(folder, sizeof folder, "%.*s",
                   end == NULL   ? 1
                   : end == path ? 1
                                 : (int)(end - path),
                   end == NULL ? "." : path);
    if (access(folder, W_OK) != 0)
        return err_errno(e, "cannot write %s: its folder", path);
    return 0;
}

static int write_all(struct writing *w, const struct label *items, size_t n,
                     struct err *e)
{
    const char *path = w->f->path;
    bool empty;
    TRY(check_folder(path, e));
    TRY(open_file(&w->db, &empty, path,
                  SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, e));
    if (sqlite3_db_readonly(w->db, "main") != 0)
        return err_set(e, ERR_INPUT, "cannot write %s: it is read-only", path);
    TRY(exec(w->db, path, "BEGIN IMMEDIATE", e));
    /* Another may have come first. */
    TRY(check(&empty, w->db, path, e));
    if (empty)
        TRY(exec(w->db, path, schema, e));
    TRY(store_prepare(&w->find, w->db, path, read_one, e));
    TRY(store_prepare(&w->put, w->db, path,
                      "INSERT OR REPLACE INTO label (sae, feature, label,"
                      " starred, note, changed, version)"
                      " VALUES (?, ?, ?, ?, ?, ?, ?)",
                      e));
    for (size_t i = 0; i < n; i++)
        TRY(write_one(w, &items[i], e));
    return exec(w->db, path, "COMMIT", e);
}

int label_file_write(struct label_file *f, const struct label *items, size_t n,
                     struct err *e)
{
    struct writing w = {.f = f};
    time_t now = time(NULL);
    struct tm utc;
    (void)strftime(w.now, sizeof w.now, "%Y-%m-%dT%H:%M:%SZ",
                   gmtime_r(&now, &utc));
    f->written = (struct labels_written){0};
    int code = write_all(&w, items, n, e);
    (void)sqlite3_finalize(w.find);
    (void)sqlite3_finalize(w.put);
    (void)sqlite3_close(w.db); /* takes back what was not committed */
    return code;
}
