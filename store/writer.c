/* SPDX-License-Identifier: MIT */
#include "store/writer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/interrupt.h"
#include "store/database.h"
#include "store/schema_sql.h"
#include "store/views_sql.h"
#include "store/writer_state.h"

/* A rollback journal, which holds nothing of pages that are new, so that a
 * killed run leaves whole transactions. Nothing waits for the disk: what a
 * power loss leaves is looked through before anybody goes on with it. 16 KB
 * pages make trees of small rows shallow and dense. */
static const char settings_sql[] = "PRAGMA page_size = 16384;"
                                   "PRAGMA journal_mode = DELETE;"
                                   "PRAGMA synchronous = OFF;"
                                   "PRAGMA temp_store = MEMORY;"
                                   "PRAGMA cache_size = -131072;";

/* Statistics for SQLite's planner, from the first rows of each index: enough
 * of them to see that an SAE has far more rows than a feature or a token. */
static const char analyze_sql[] = "PRAGMA analysis_limit = 100000; ANALYZE;";

/* For others to end what they do: longer than a viewer's slowest answer. */
enum { WAIT_MILLISECONDS = 30000, LOOK_MILLISECONDS = 20 };

/* ---- statements ---- */

int writer_execute(struct store_writer *w, const char *sql, struct err *e)
{
    if (sqlite3_exec(w->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return store_error(w->db, "write", w->output.path, e);
    return 0;
}

int writer_number(int64_t *out, struct store_writer *w, const char *sql,
                  int64_t value, int64_t none, struct err *e)
{
    sqlite3_stmt *row = NULL;
    TRY(store_prepare(&row, w->db, w->output.path, sql, e));
    if (sqlite3_bind_parameter_count(row) > 0)
        (void)sqlite3_bind_int64(row, 1, value);
    int stepped = sqlite3_step(row);
    bool known =
        stepped == SQLITE_ROW && sqlite3_column_type(row, 0) != SQLITE_NULL;
    *out = known ? sqlite3_column_int64(row, 0) : none;
    int code = stepped == SQLITE_ROW || stepped == SQLITE_DONE
                   ? 0
                   : store_error(w->db, "use", w->output.path, e);
    (void)sqlite3_finalize(row);
    return code;
}

/* ---- opening ---- */

/* Asked by SQLite whenever another program is in the way. The time is that of
 * the whole transaction: SQLite asks again for every page that it wants to get
 * rid of. */
static int wait_a_little(void *ctx, int times)
{
    struct store_writer *w = ctx;
    (void)times;
    if (w->waited >= WAIT_MILLISECONDS || interrupt_requested())
        return 0;
    w->waited += LOOK_MILLISECONDS;
    (void)sqlite3_sleep(LOOK_MILLISECONDS);
    return 1;
}

void writer_wait_for_others(struct store_writer *w)
{
    (void)sqlite3_busy_handler(w->db, wait_a_little, w);
}

int writer_open_partial(struct store_writer *w, struct err *e)
{
    if (sqlite3_open_v2(w->output.partial, &w->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        return store_error(w->db, "write", w->output.path, e);
    writer_wait_for_others(w);
    return writer_execute(w, settings_sql, e);
}

static int create(struct store_writer *w, struct err *e)
{
    /* What a killed run left beside the file that is now empty. */
    char journal[OUTPUT_PATH_MAX + 16];
    (void)snprintf(journal, sizeof journal, "%s-journal", w->output.partial);
    if (unlink(journal) != 0 && errno != ENOENT)
        return err_errno(e, "cannot remove %s", journal);
    TRY(writer_open_partial(w, e));
    char identity[96];
    (void)snprintf(identity, sizeof identity,
                   "PRAGMA application_id = %d; PRAGMA user_version = %d;",
                   STORE_APPLICATION_ID, STORE_SCHEMA_VERSION);
    TRY(writer_begin(w, e));
    TRY(writer_execute(w, identity, e));
    TRY(writer_execute(w, (const char *)schema_sql, e));
    TRY(writer_execute(w, (const char *)views_sql, e));
    return inserts_prepare(&w->inserts, w->db, w->output.path, e);
}

int store_writer_open(struct store_writer **out, const char *path, bool force,
                      struct err *e)
{
    *out = NULL;
    struct store_writer *w = calloc(1, sizeof *w);
    if (w == NULL)
        return err_memory(e, "database writer", sizeof *w);
    int code = output_begin_file(&w->output, path, force, e);
    if (code == 0)
        code = create(w, e);
    if (code != 0)
        store_writer_abort(&w);
    *out = w;
    return code;
}

/* ---- transactions ---- */

int writer_begin(struct store_writer *w, struct err *e)
{
    if (sqlite3_get_autocommit(w->db) == 0)
        return 0;
    w->waited = 0;
    TRY(writer_execute(w, "BEGIN IMMEDIATE", e));
    return w->in_place ? writer_check_unchanged(w, e) : 0;
}

int store_writer_next_sae(struct store_writer *w, int64_t *id, struct err *e)
{
    return writer_number(id, w, "SELECT max(id) + 1 FROM sae", 0, 1, e);
}

int store_writer_end_dump(struct store_writer *w, struct err *e)
{
    return writer_execute(w, "COMMIT", e);
}

int store_writer_end_sae(struct store_writer *w, struct err *e)
{
    TRY(inserts_flush(&w->inserts, e));
    if (w->in_place)
        TRY(writer_execute(w, analyze_sql, e));
    return writer_execute(w, "COMMIT", e);
}

/* ---- closing ---- */

/* What was not committed is taken back. */
static void close_database(struct store_writer *w)
{
    inserts_finalize(&w->inserts);
    (void)sqlite3_close(w->db);
    w->db = NULL;
}

/* A file that the new one is to replace, and a journal that belongs to it, must
 * not meet the new one: SQLite would take the journal's pages for the new
 * file's. So what a killed program left half done there is taken back, and
 * whoever writes it is kept away until *old is closed. */
static int hold_old_file(sqlite3 **old, const char *path, struct err *e)
{
    if (access(path, F_OK) == 0) {
        int code = store_open_any(old, path, e);
        if (code == 0 &&
            sqlite3_exec(*old, "PRAGMA journal_mode = DELETE; BEGIN IMMEDIATE",
                         NULL, NULL, NULL) == SQLITE_BUSY)
            code = store_error(*old, "replace", path, e);
        if (code != 0)
            return code;
    }
    static const char *const ends[] = {"-journal", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char name[OUTPUT_PATH_MAX + 16];
        (void)snprintf(name, sizeof name, "%s%s", path, ends[i]);
        if (unlink(name) != 0 && errno != ENOENT)
            return err_errno(e, "cannot remove %s", name);
    }
    return 0;
}

/* A run that was killed between its last transaction and the renaming has left
 * the planner's statistics; making them again would change the file. */
static int analyze(struct store_writer *w, struct err *e)
{
    int64_t there;
    TRY(writer_number(&there, w,
                      "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'",
                      0, 0, e));
    if (there != 0 && sqlite3_total_changes(w->db) == 0)
        return 0;
    return writer_execute(w, analyze_sql, e);
}

int store_writer_commit(struct store_writer **writer, struct err *e)
{
    struct store_writer *w = *writer;
    sqlite3 *old = NULL;
    int code = writer_begin(w, e);
    if (code == 0)
        code = analyze(w, e);
    if (code == 0)
        code = writer_execute(w, "COMMIT", e);
    close_database(w);
    if (code == 0)
        code = hold_old_file(&old, w->output.path, e);
    if (code == 0)
        code = output_commit(&w->output, e);
    (void)sqlite3_close(old);
    if (code == 0)
        store_writer_abort(writer);
    return code;
}

void store_writer_abort(struct store_writer **writer)
{
    struct store_writer *w = *writer;
    if (w == NULL)
        return;
    close_database(w);
    output_abort(&w->output);
    free(w);
    *writer = NULL;
}

void store_writer_leave(struct store_writer **writer)
{
    struct store_writer *w = *writer;
    if (w == NULL)
        return;
    close_database(w);
    output_leave(&w->output);
    free(w);
    *writer = NULL;
}
