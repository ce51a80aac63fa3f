/* SPDX-License-Identifier: MIT
 *
 * Whether the tables of a file are those of schema.sql. A file may come from
 * anyone and say that it is ours: where a view stands for a table, or a virtual
 * table, or a column is computed, a question that reads along an index may read
 * without end.
 */
#ifndef STORE_TABLES_H
#define STORE_TABLES_H

#include "base/err.h"

struct sqlite3;

/* Each table must be there, an ordinary one with the columns of ours. What else
 * the file has does not matter. Cost: a few milliseconds. */
int store_check_tables(struct sqlite3 *db, const char *path, struct err *e);

#endif
