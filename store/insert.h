/* SPDX-License-Identifier: MIT
 *
 * Rows that are put together column by column, in the order of schema.sql:
 *
 *     struct row r = row_begin(inserts, INSERT_METRIC);
 *     row_int(&r, sae);
 *     row_text(&r, name);
 *     ...
 *     return row_end(&r, inserts, e);
 *
 * Failures of binding surface in row_end. Values are borrowed until then.
 *
 * A table has one prepared INSERT. Rows of tables that have many for an SAE are
 * collected instead and inserted in bulk (stream.h), some ten thousand at once,
 * which fills pages and takes a quarter of the time; they come in the order of
 * the key, and texts of theirs are constants. What breaks the schema is then
 * found by a later row_end, or by inserts_flush.
 */
#ifndef STORE_INSERT_H
#define STORE_INSERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* X(name, table, columns, many) */
#define INSERT_TABLES(X)                                                       \
    X(DUMP, "dump", 23, false)                                                 \
    X(DOCUMENT_GROUP, "document_group", 5, false)                              \
    X(CONTEXT, "context", 6, false)                                            \
    X(POSITION_BIN, "position_bin", 5, false)                                  \
    X(VOCAB_USE, "vocab_use", 3, false)                                        \
    X(VOCAB, "vocab", 4, false)                                                \
    X(TOKEN, "token", 4, false)                                                \
    X(PROMPT, "prompt", 4, false)                                              \
    X(SAE, "sae", 28, false)                                                   \
    X(METRIC, "metric", 4, false)                                              \
    X(HEAD, "head", 8, false)                                                  \
    X(FEATURE, "feature", 11, false)                                           \
    X(FEATURE_HEAD, "feature_head", 5, true)                                   \
    X(HISTOGRAM, "histogram", 4, true)                                         \
    X(FEATURE_POSITION, "feature_position", 4, true)                           \
    X(FEATURE_GROUP, "feature_group", 4, true)                                 \
    X(FEATURE_NEIGHBOUR, "feature_neighbour", 5, true)                         \
    X(FEATURE_PAIR, "feature_pair", 6, true)                                   \
    X(FEATURE_LOGIT, "feature_logit", 5, true)                                 \
    X(FEATURE_SOURCE_OFFSET, "feature_source_offset", 5, true)                 \
    X(FEATURE_SOURCE_TOKEN, "feature_source_token", 6, true)                   \
    X(HEAD_CODE_COUNT, "head_code_count", 4, true)                             \
    X(HEAD_GROUP, "head_group", 4, false)                                      \
    X(EXAMPLE_SET, "example_set", 8, true)                                     \
    X(EXAMPLE, "example", 7, true)                                             \
    X(CIRCUIT, "circuit", 27, false)                                           \
    X(CIRCUIT_PROMPT, "circuit_prompt", 6, false)                              \
    X(CIRCUIT_TOKEN, "circuit_token", 5, false)                                \
    X(CIRCUIT_HEAD, "circuit_head", 11, false)                                 \
    X(CIRCUIT_CODE, "circuit_code", 5, true)                                   \
    X(CIRCUIT_EDGE, "circuit_edge", 6, true)

enum insert_table {
#define X(name, table, columns, many) INSERT_##name,
    INSERT_TABLES(X)
#undef X
        INSERT_N
};

struct sqlite3;
struct sqlite3_stmt;
struct stream_cell;

struct inserts {
    struct sqlite3 *db;
    const char *path;                    /* for messages */
    struct sqlite3_stmt *stmt[INSERT_N]; /* where there are not many */
    /* Rows that wait, of so many cells each; NULL: none until now. */
    struct stream_cell *waiting[INSERT_N];
    size_t n[INSERT_N];
};

/* Keeps db and path. */
int inserts_prepare(struct inserts *all, struct sqlite3 *db, const char *path,
                    struct err *e);
void inserts_finalize(struct inserts *all);

/* Inserts what waits. Before the rows of an SAE are committed. */
int inserts_flush(struct inserts *all, struct err *e);

struct row {
    enum insert_table table;
    struct sqlite3_stmt *stmt; /* or */
    struct stream_cell *cells; /* of a table with many rows */
    int column;                /* the last one set */
    int bad;                   /* whether a binding failed */
};

struct row row_begin(struct inserts *all, enum insert_table table);
void row_int(struct row *r, int64_t value);
void row_real(struct row *r, double value); /* NaN: NULL */
void row_text(struct row *r, const char *text);
/* These not for tables with many rows. */
void row_bytes_as_text(struct row *r, const char *text, size_t length);
void row_blob(struct row *r, const char *bytes, size_t length);
void row_null(struct row *r);
/* NULL instead of `value` unless it is known. */
void row_int_if(struct row *r, int known, int64_t value);
int row_end(struct row *r, struct inserts *all, struct err *e);

#endif
