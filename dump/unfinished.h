/* SPDX-License-Identifier: MIT
 *
 * unfinished.json in the partial folder of a dump: which shards are complete,
 * so that a writer that was killed can go on behind them, and of what work, so
 * that no other work does. It is gone when the dump is done.
 */
#ifndef DUMP_UNFINISHED_H
#define DUMP_UNFINISHED_H

#include <stdbool.h>

#include "dump/manifest.h"

#define UNFINISHED_NAME "unfinished.json"

/* Says that shards [0, complete) of every layer of `m` are. Replaces what was
 * there in one step. */
int unfinished_write(const char *folder, const char *identity,
                     const struct manifest *m, size_t complete, struct err *e);

/* How many shards of every layer are there, complete and with the checksums
 * that were recorded, which go into m->shards; they are read for it. *same says
 * whether they are of the same identity; if not, and if the file cannot be
 * read, none are taken. */
void unfinished_read(size_t *complete, bool *same, const char *folder,
                     const char *identity, struct manifest *m);

#endif
