/* SPDX-License-Identifier: MIT */
#include "store/writer_state.h"

#include <stdio.h>
#include <stdlib.h>

#include <sqlite3.h>

#include "store/database.h"

/* A journal that outlives a power loss, flushed with its folder. */
static const char settings_sql[] = "PRAGMA journal_mode = DELETE;"
                                   "PRAGMA synchronous = EXTRA;"
                                   "PRAGMA temp_store = MEMORY;"
                                   "PRAGMA cache_size = -131072;";

/* ---- opening ---- */

/* Writes nothing new and takes it back: whether the file, its folder and a
 * journal there may be written, found out before an hour of work. */
static int try_writing(struct store_writer *w, struct err *e)
{
    char sql[80];
    (void)snprintf(sql, sizeof sql,
                   "BEGIN IMMEDIATE; PRAGMA user_version = %d; ROLLBACK",
                   STORE_SCHEMA_VERSION);
    return writer_execute(w, sql, e);
}

static int open_existing(struct store_writer *w, const char *path,
                         struct err *e)
{
    (void)snprintf(w->output.path, sizeof w->output.path, "%s", path);
    if (stat(path, &w->file) != 0)
        return err_errno(e, "cannot open %s", path);
    TRY(store_open_write(&w->db, path, e));
    writer_wait_for_others(w);
    TRY(writer_execute(w, settings_sql, e));
    TRY(try_writing(w, e));
    TRY(writer_number(&w->version, w, "PRAGMA data_version", 0, 0, e));
    return inserts_prepare(&w->inserts, w->db, w->output.path, e);
}

int store_writer_open_in_place(struct store_writer **out, const char *path,
                               struct err *e)
{
    struct store_writer *w = calloc(1, sizeof *w);
    *out = w;
    if (w == NULL)
        return err_memory(e, "database writer", sizeof *w);
    w->in_place = true;
    int code = open_existing(w, path, e);
    if (code != 0)
        store_writer_leave(out);
    return code;
}

int writer_check_unchanged(struct store_writer *w, struct err *e)
{
    struct stat now;
    int64_t version;
    TRY(writer_number(&version, w, "PRAGMA data_version", 0, 0, e));
    if (version == w->version && stat(w->output.path, &now) == 0 &&
        now.st_dev == w->file.st_dev && now.st_ino == w->file.st_ino)
        return 0;
    return err_set(e, ERR_INPUT,
                   "another program has changed %s meanwhile; give the same "
                   "command again",
                   w->output.path);
}

/* ---- the dump ---- */

/* What find_dump_sql gives. */
enum { ID, FIRST_TOKEN, LIMIT, SEED, SAMPLED, TOKENS, CONTEXTS, STRINGS, NAME };
static const char find_dump_sql[] =
    "SELECT id, first_token, sample_limit, sample_seed, sample_tokens, tokens,"
    " contexts, has_strings, name FROM dump WHERE fingerprint = ?";

/* All rows are a sample for which limit and seed do not count. */
static bool same_sample(sqlite3_stmt *row, const struct store_dump *d)
{
    bool all = sqlite3_column_int64(row, SAMPLED) ==
                   sqlite3_column_int64(row, TOKENS) &&
               d->sample_tokens == d->tokens;
    return all || (sqlite3_column_int64(row, LIMIT) == d->sample_limit &&
                   sqlite3_column_int64(row, SEED) == d->sample_seed);
}

static int compare_dump(sqlite3_stmt *row, const struct store_dump *d,
                        const char *path, struct err *e)
{
    if (!same_sample(row, d))
        return err_set(e, ERR_INPUT,
                       "%s keeps rows of another sample of %s; use --rows "
                       "%lld --seed %lld as it does, or another file",
                       path, d->name,
                       (long long)sqlite3_column_int64(row, LIMIT),
                       (long long)sqlite3_column_int64(row, SEED));
    if (sqlite3_column_int64(row, CONTEXTS) != d->contexts ||
        (sqlite3_column_int(row, STRINGS) != 0) != d->has_strings)
        return err_set(e, ERR_INPUT,
                       "%s has the same data as %s, read with other contexts "
                       "or token strings; read it as before, or use another "
                       "file",
                       path, d->name);
    return 0;
}

static int take_dump(struct store_writer *w, sqlite3_stmt *row,
                     const struct store_dump *d, struct err *e)
{
    TRY(compare_dump(row, d, w->output.path, e));
    w->dump = sqlite3_column_int64(row, ID);
    w->first_token = sqlite3_column_int64(row, FIRST_TOKEN);
    return writer_number(&w->first_group, w,
                         "SELECT min(id) FROM document_group WHERE dump = ?",
                         w->dump, 0, e);
}

int store_writer_find_dump(struct store_writer *w, const struct store_dump *d,
                           struct err *e)
{
    sqlite3_stmt *row = NULL;
    TRY(store_prepare(&row, w->db, w->output.path, find_dump_sql, e));
    (void)sqlite3_bind_text(row, 1, d->fingerprint, -1, SQLITE_STATIC);
    int stepped = sqlite3_step(row), code = 0;
    w->dump = 0;
    if (stepped == SQLITE_ROW)
        code = take_dump(w, row, d, e);
    else if (stepped != SQLITE_DONE)
        code = store_error(w->db, "read", w->output.path, e);
    (void)sqlite3_finalize(row);
    return code;
}

int store_writer_each_string(struct store_writer *w, store_string_fn *check,
                             void *ctx, struct err *e)
{
    sqlite3_stmt *row = NULL;
    TRY(store_prepare(&row, w->db, w->output.path,
                      "SELECT id, coalesce(bytes, text) FROM vocab", e));
    int stepped, code = 0;
    while (code == 0 && (stepped = sqlite3_step(row)) == SQLITE_ROW) {
        const char *bytes = sqlite3_column_blob(row, 1);
        code =
            check(ctx, sqlite3_column_int64(row, 0), bytes == NULL ? "" : bytes,
                  (size_t)sqlite3_column_bytes(row, 1), e);
    }
    if (code == 0 && stepped != SQLITE_DONE)
        code = store_error(w->db, "read", w->output.path, e);
    (void)sqlite3_finalize(row);
    return code;
}

/* ---- SAEs ---- */

static void compare_sae(struct store_found *out, sqlite3_stmt *row,
                        const struct store_identity *s)
{
    out->id = sqlite3_column_int64(row, 0);
    if (!store_column_is(row, 1, s->fingerprint))
        out->differs = "other weights";
    else if (sqlite3_column_int64(row, 2) != s->layer)
        out->differs = "another layer";
    else if (!store_column_is(row, 3, s->options))
        out->differs = "other options";
}

int store_writer_find_sae(struct store_found *out, struct store_writer *w,
                          const struct store_identity *s, struct err *e)
{
    *out = (struct store_found){0};
    sqlite3_stmt *row = NULL;
    TRY(store_prepare(&row, w->db, w->output.path,
                      "SELECT id, fingerprint, layer, options FROM sae"
                      " WHERE dump = ? AND name = ?",
                      e));
    (void)sqlite3_bind_int64(row, 1, w->dump);
    (void)sqlite3_bind_text(row, 2, s->name, -1, SQLITE_STATIC);
    int stepped = sqlite3_step(row), code = 0;
    if (stepped == SQLITE_ROW)
        compare_sae(out, row, s);
    else if (stepped != SQLITE_DONE)
        code = store_error(w->db, "read", w->output.path, e);
    (void)sqlite3_finalize(row);
    return code;
}
