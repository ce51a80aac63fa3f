/* SPDX-License-Identifier: MIT
 *
 * A headscope database as an SQLite file: what tells it from others, how it is
 * opened for reading, and how SQLite's failures become ours. For the files of
 * store/; other folders use writer.h and summary.h.
 */
#ifndef STORE_DATABASE_H
#define STORE_DATABASE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum {
    STORE_APPLICATION_ID = 0x68736370, /* "hscp", in the file's header */
    STORE_SCHEMA_VERSION = 6,          /* its user_version */
};

struct sqlite3;
struct sqlite3_stmt;

/* Opens a database of ours for reading. A file that is none, or has another
 * schema version, is refused with what to do. One that a killed program left in
 * the middle of a change is first put back to what it was before, for which it
 * must be writable. Nothing stays open on failure; the caller's sqlite3_close.
 * One connection, one thread. */
int store_open_read(struct sqlite3 **db, const char *path, struct err *e);

/* The same for writing. */
int store_open_write(struct sqlite3 **db, const char *path, struct err *e);
/* Any file, whether a database or not: only its first use tells. */
int store_open_any(struct sqlite3 **db, const char *path, struct err *e);

/* Whether an open database is ours and of this version. */
int store_check_identity(struct sqlite3 *db, const char *path, struct err *e);

/* Prepares one statement. */
int store_prepare(struct sqlite3_stmt **stmt, struct sqlite3 *db,
                  const char *path, const char *sql, struct err *e);

/* The one number that a statement gives. */
int store_number(int64_t *out, struct sqlite3 *db, const char *path,
                 const char *sql, struct err *e);

/* The statement's row as an object, by the names of its columns. What JSON
 * cannot hold (blobs, text that is no UTF-8, infinities) is null. NULL without
 * memory. */
json_t *store_row_object(struct sqlite3_stmt *row);

/* Whether a column of the row is this text. */
bool store_column_is(struct sqlite3_stmt *row, int column, const char *text);

/* Which SAEs s of dumps d a user means by ?1: a dump goes by its name or its
 * key, and may be left out. */
#define STORE_SAE_NAMED                                                        \
    "(s.name = ?1 OR d.name || '/' || s.name = ?1"                             \
    " OR d.id || '/' || s.name = ?1)"

/* The error that the last call on `db` (or NULL) left, as ours: a full or
 * unwritable disk and a file that is no database are ERR_INPUT. `doing` is
 * "write", "read". */
int store_error(struct sqlite3 *db, const char *doing, const char *path,
                struct err *e);

#endif
