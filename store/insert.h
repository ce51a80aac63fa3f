/* SPDX-License-Identifier: MIT
 *
 * One prepared INSERT per table (those of many rows have stream.h), and a row
 * that is put together column by column, in the order of schema.sql:
 *
 *     struct row r = row_begin(inserts, INSERT_METRIC);
 *     row_int(&r, sae);
 *     row_text(&r, name);
 *     ...
 *     return row_end(&r, inserts, e);
 *
 * Failures of binding surface in row_end. Values are borrowed until then.
 */
#ifndef STORE_INSERT_H
#define STORE_INSERT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* X(name, table, columns) */
#define INSERT_TABLES(X)                                                       \
    X(DUMP, "dump", 22)                                                        \
    X(DOCUMENT_GROUP, "document_group", 5)                                     \
    X(CONTEXT, "context", 6)                                                   \
    X(POSITION_BIN, "position_bin", 5)                                         \
    X(VOCAB_USE, "vocab_use", 3)                                               \
    X(VOCAB, "vocab", 4)                                                       \
    X(TOKEN, "token", 4)                                                       \
    X(SAE, "sae", 27)                                                          \
    X(METRIC, "metric", 4)                                                     \
    X(HEAD, "head", 8)                                                         \
    X(FEATURE, "feature", 11)                                                  \
    X(FEATURE_HEAD, "feature_head", 5)                                         \
    X(HISTOGRAM, "histogram", 4)                                               \
    X(FEATURE_POSITION, "feature_position", 4)                                 \
    X(FEATURE_GROUP, "feature_group", 4)                                       \
    X(FEATURE_NEIGHBOUR, "feature_neighbour", 5)                               \
    X(FEATURE_PAIR, "feature_pair", 6)                                         \
    X(FEATURE_LOGIT, "feature_logit", 5)                                       \
    X(HEAD_CODE_COUNT, "head_code_count", 4)                                   \
    X(HEAD_GROUP, "head_group", 4)                                             \
    X(EXAMPLE_SET, "example_set", 8)                                           \
    X(EXAMPLE, "example", 7)

enum insert_table {
#define X(name, table, columns) INSERT_##name,
    INSERT_TABLES(X)
#undef X
        INSERT_N
};

struct sqlite3;
struct sqlite3_stmt;

struct inserts {
    struct sqlite3 *db;
    const char *path; /* for messages */
    struct sqlite3_stmt *stmt[INSERT_N];
};

/* Keeps db and path. */
int inserts_prepare(struct inserts *all, struct sqlite3 *db, const char *path,
                    struct err *e);
void inserts_finalize(struct inserts *all);

struct row {
    struct sqlite3_stmt *stmt;
    int column; /* the last one set */
    int bad;    /* whether a binding failed */
};

struct row row_begin(const struct inserts *all, enum insert_table table);
void row_int(struct row *r, int64_t value);
void row_real(struct row *r, double value); /* NaN: NULL */
void row_text(struct row *r, const char *text);
void row_bytes_as_text(struct row *r, const char *text, size_t length);
void row_blob(struct row *r, const char *bytes, size_t length);
void row_null(struct row *r);
/* NULL instead of `value` unless it is known. */
void row_int_if(struct row *r, int known, int64_t value);
int row_end(struct row *r, const struct inserts *all, struct err *e);

#endif
