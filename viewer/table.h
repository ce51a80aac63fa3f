/* SPDX-License-Identifier: MIT
 *
 * Rows of a question as text, JSON or CSV (docs/api.md, "/api/sql"), up to a
 * number of bytes: what is beyond is left out by whole rows.
 */
#ifndef VIEWER_TABLE_H
#define VIEWER_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "store/ask.h"

enum table_format { TABLE_JSON, TABLE_CSV };

struct table {
    enum table_format format;
    char *text; /* the caller's free */
    size_t length, room, most;
    size_t rows;
    bool full; /* the last row did not fit and is not there */
    bool lost; /* no memory */
};

/* Call order: begin, row for each, end. */
void table_begin(struct table *t, enum table_format format, size_t most,
                 const struct ask *ask);
void table_row(struct table *t, const struct ask *ask);
/* cut: why there is no more, or NULL: there is none. */
void table_end(struct table *t, const char *cut, double seconds);

#endif
