/* SPDX-License-Identifier: MIT
 *
 * What the files behind store/writer.h share.
 */
#ifndef STORE_WRITER_STATE_H
#define STORE_WRITER_STATE_H

#include <sys/stat.h>

#include "base/output.h"
#include "store/insert.h"
#include "store/writer.h"

struct store_writer {
    struct output output; /* of a new file; only its path is set in place */
    struct sqlite3 *db;
    struct inserts inserts;
    bool in_place;
    struct stat file;      /* in place: which file was opened, */
    int64_t version;       /* and its state as this writer knows it */
    int waited;            /* ms of the transaction, for other programs */
    int64_t dump;          /* the one at hand; 0: not there yet */
    int64_t first_token;   /* keys of its row 0, its context 0, */
    int64_t first_context; /* and its document group 0 */
    int64_t first_group;
    int64_t sae;     /* whose rows come now */
    int64_t circuit; /* the same */
};

/* Begins a transaction, if none is under way. In place it is the only writer
 * from then on; readers go on. */
int writer_begin(struct store_writer *w, struct err *e);

/* Opens the partial file of w->output. */
int writer_open_partial(struct store_writer *w, struct err *e);

/* Has SQLite wait for programs that read or write the same file. */
void writer_wait_for_others(struct store_writer *w);

int writer_execute(struct store_writer *w, const char *sql, struct err *e);

/* The number that a query gives; one bound value, if it takes one. No row, or
 * NULL: `none`. */
int writer_number(int64_t *out, struct store_writer *w, const char *sql,
                  int64_t value, int64_t none, struct err *e);

/* The columns of the table, in their order, bound to a row that was begun. */
void writer_bind_dump(struct row *r, const struct store_dump *d, int64_t id,
                      int64_t first_token);

/* The same file under that name, and nobody has changed it. */
int writer_check_unchanged(struct store_writer *w, struct err *e);

#endif
