/* SPDX-License-Identifier: MIT
 *
 * A few connections that read one database, each with its queries prepared.
 * Many threads may take and give; between the two a reader belongs to one, and
 * sees one state of the database.
 */
#ifndef STORE_POOL_H
#define STORE_POOL_H

#include <stdbool.h>

#include "base/err.h"
#include "store/query.h"

struct pool;

/* One connection on loan. */
struct pool_reader {
    struct queries queries;
};

/* Opens `readers` connections. A file that is no database of ours, or has
 * another schema version, is refused. Keeps path. */
int pool_open(struct pool **out, const char *path, int readers, struct err *e);

/* Accepts NULL. All readers must have been given back. */
void pool_close(struct pool **pool);

/* Waits until a reader is free. Fails while another program writes the file,
 * and for good when one has changed it since it was opened: what is known of it
 * in memory would not be true of it. Queries that take longer than 20 seconds
 * together fail, as they do on a file made to be slow. */
int pool_take(struct pool_reader **out, struct pool *pool, struct err *e);
void pool_give(struct pool *pool, struct pool_reader *reader);

/* Whether the file at the pool's path is another one, or changed, since it was
 * opened. Cost: a system call. */
bool pool_is_outdated(const struct pool *pool);

/* Makes queries under way fail, for a stop that waits for nobody. */
void pool_interrupt(struct pool *pool);

/* Size in bytes, and a number that differs between databases and between
 * states of one. */
int64_t pool_bytes(const struct pool *pool);
uint64_t pool_fingerprint(const struct pool *pool);

#endif
