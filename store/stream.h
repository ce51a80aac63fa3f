/* SPDX-License-Identifier: MIT
 *
 * Rows in bulk: one INSERT ... SELECT from a virtual table that asks a source
 * for them, a quarter of what a prepared INSERT per row costs. For the files of
 * store/; others see the functions of writer.h that take a source.
 */
#ifndef STORE_STREAM_H
#define STORE_STREAM_H

#include "store/writer.h"

enum stream_type {
    STREAM_U8,
    STREAM_U32,
    STREAM_INT,
    STREAM_INT64,
    STREAM_REAL,
    /* A token of the dump at hand, as U32 or INT64. */
    STREAM_TOKEN,
    STREAM_TOKEN64,
    STREAM_CELL,
};

/* A value that says itself what it is. */
enum stream_cell_type {
    STREAM_CELL_INTEGER,
    STREAM_CELL_REAL,
    STREAM_CELL_TEXT,
};
struct stream_cell {
    enum stream_cell_type type;
    union {
        int64_t integer;
        double real;      /* NaN: NULL */
        const char *text; /* a constant */
    };
};

/* Where a column's value lies in a row of the source. */
struct stream_column {
    enum stream_type type;
    size_t offset;
};

/* Rows of a WITHOUT ROWID table whose first column is the SAE. */
enum { STREAM_COLUMNS_MAX = 7 };
struct stream_shape {
    const char *table;
    size_t row_bytes;
    int columns; /* behind the SAE */
    struct stream_column column[STREAM_COLUMNS_MAX];
};

/* What the keys of all rows begin with: the SAE, and the key of the dump's
 * first token, which is added to tokens. */
struct stream_keys {
    int64_t sae, first_token;
};

struct sqlite3;

/* Inserts all rows of the source, which come in the order of the table's key.
 * A failure of the source is returned as it is. */
int stream_insert(struct sqlite3 *db, const char *path,
                  const struct stream_shape *shape,
                  const struct stream_keys *keys,
                  const struct store_source *source, struct err *e);

#endif
