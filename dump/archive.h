/* SPDX-License-Identifier: MIT
 *
 * Zip archives as torch.save and numpy.savez write them: members stored or
 * deflated. libzip finds and unpacks the members; what it says about them is
 * checked against the file before it is used as a size, so that a directory
 * that lies costs no memory. Nothing is ever written where a member's name
 * says.
 */
#ifndef DUMP_ARCHIVE_H
#define DUMP_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/map.h"

struct archive {
    struct map map;
    void *zip;        /* zip_t */
    const char *path; /* the caller's */
    size_t n;         /* members */
};

struct archive_member {
    size_t index;
    size_t size; /* unpacked; what a packed member of its size can give */
    bool stored;
};

/* Opens a file and checks its directory: at most 4,096 members, whose packed
 * bytes together fit the file; none encrypted, none with a method other than
 * stored or deflated, no name with "..", a backslash, a control character or
 * a '/' in front. On failure nothing is left open. */
int archive_open(struct archive *a, const char *path, struct err *e);
void archive_close(struct archive *a);

/* The name of member i < n; the archive owns it. */
const char *archive_name(const struct archive *a, size_t i);
/* The member of that name. Missing is an error, and so is a name that two
 * members have. */
int archive_find(struct archive_member *m, const struct archive *a,
                 const char *name, struct err *e);

/* The first n <= m->size bytes of a member into out[n]. Of a whole member the
 * checksum and the end are checked, too. */
int archive_read(const struct archive *a, const struct archive_member *m,
                 void *out, size_t n, struct err *e);

/* Writes a file of stored members, which hold `before` and `data`. Same
 * members, same bytes: every member is of the same day in 1980. Not atomic: for
 * files inside an output folder. */
struct archive_entry {
    const char *name;
    const void *data;
    size_t bytes;
    const void *before; /* NULL: nothing */
    size_t bytes_before;
};
int archive_write(const char *path, const struct archive_entry *entries,
                  size_t n, struct err *e);

#endif
