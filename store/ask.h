/* SPDX-License-Identifier: MIT
 *
 * One question in SQL from anyone, asked of a database from anyone. It has a
 * connection of its own, opened read-only, on which nothing but reading is
 * allowed (ask_guard.h), and bounds on time, memory and the length of all
 * things. What a question does cannot outlive it.
 *
 * Call order: ask_begin, ask_next for each row with ask_cell for its columns,
 * ask_end, also after a failure. One thread.
 *
 * Errors: ERR_USAGE where the question is to blame, ERR_INTERRUPTED where
 * nobody wants the answer any more, else those of the file and the system.
 */
#ifndef STORE_ASK_H
#define STORE_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    ASK_SQL_MAX = 8192,         /* bytes of a question */
    ASK_LENGTH_MAX = 256 << 10, /* bytes of a value: what one step of SQLite can
                                   do with two of them stays below a second */
    ASK_MEMORY_MAX = 256 << 20, /* bytes for sorting and the like */
    ASK_COLUMNS_MAX = 200,
};

struct ask_parameter {
    const char *name; /* without the colon */
    const char *text;
};

struct ask_question {
    const char *path, *sql;
    const struct ask_parameter *parameters;
    size_t n_parameters;
    double seconds; /* it may take */
    /* Asked many times a second whether to give up; may be NULL. */
    bool (*is_unwanted)(void *context);
    void *context;
};

enum ask_type { ASK_NULL, ASK_INTEGER, ASK_REAL, ASK_TEXT, ASK_BLOB };

struct ask_cell {
    enum ask_type type;
    int64_t integer;
    double real;
    const char *bytes; /* of a text or blob, valid until ask_next; a text may
                          be any bytes */
    size_t size;
};

struct ask;

/* Opens, checks and prepares; keeps the question's strings. A parameter is
 * bound as a number where its text is one as SQLite would write it. Every
 * parameter of the question must be given, and no other. */
int ask_begin(struct ask **out, const struct ask_question *question,
              struct err *e);

int ask_columns(const struct ask *a);
const char *ask_column_name(const struct ask *a, int column);

/* Goes to the next row, if there is one. */
bool ask_next(struct ask *a);
struct ask_cell ask_cell(const struct ask *a, int column);

/* Closes; says what ended the rows, if it was a failure. Accepts NULL, after a
 * failure of ask_begin. */
int ask_end(struct ask **a, struct err *e);

#endif
