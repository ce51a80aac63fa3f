/* SPDX-License-Identifier: MIT
 *
 * What a question from anyone (ask.h) may do: read tables and views of the
 * file, and call functions of which none reaches beyond its arguments. All else
 * is refused while SQLite compiles the question, also where a view of the file
 * asks for it. Virtual tables are left out, as their code is not made for files
 * from anyone, but for json_each and json_tree.
 */
#ifndef STORE_ASK_GUARD_H
#define STORE_ASK_GUARD_H

#include <jansson.h>

#include "base/err.h"

struct sqlite3;

struct ask_guard {
    json_t *tables;    /* names that may be read */
    char refusal[200]; /* the first one; empty: none yet */
};

/* Guards the connection from here on, until it is closed. Free after that. */
int ask_guard_set(struct ask_guard *guard, struct sqlite3 *db, const char *path,
                  struct err *e);
void ask_guard_free(struct ask_guard *guard);

#endif
