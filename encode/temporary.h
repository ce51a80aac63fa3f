/* SPDX-License-Identifier: MIT
 *
 * Temporary files beside what is being written. They have no name, so nothing
 * is left behind, however the program ends.
 */
#ifndef ENCODE_TEMPORARY_H
#define ENCODE_TEMPORARY_H

#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

struct temporary {
    FILE *file;
    const char *path; /* of what it lies beside, for messages */
};

/* An empty file in the folder of `path`, which is kept; `buffer` bytes are read
 * and written at once. On failure nothing is open. */
int temporary_open(struct temporary *t, const char *path, size_t buffer,
                   struct err *e);
/* Accepts a zeroed one. */
void temporary_close(struct temporary *t);

int temporary_write(struct temporary *t, const void *data, size_t bytes,
                    struct err *e);
/* Between writing and reading: back to the first byte. */
int temporary_rewind(struct temporary *t, struct err *e);
/* An error if there are fewer. */
int temporary_read(struct temporary *t, void *data, size_t bytes,
                   struct err *e);

/* The same at a place of the file, from any thread; not to be mixed with the
 * functions above. */
int temporary_write_at(const struct temporary *t, const void *data,
                       size_t bytes, uint64_t offset, struct err *e);
int temporary_read_at(const struct temporary *t, void *data, size_t bytes,
                      uint64_t offset, struct err *e);

#endif
