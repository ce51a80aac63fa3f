/* SPDX-License-Identifier: MIT
 *
 * A file mapped read-only. A file that another program truncates while it is
 * mapped kills the reader (SIGBUS): headscope itself only ever replaces files,
 * which leaves old mappings whole.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stddef.h>

#include "base/err.h"

struct map {
    const unsigned char *data; /* NULL for an empty file */
    size_t size;
};

/* Maps a regular file; anything else (folder, device, pipe) is an error. */
int map_open(struct map *m, const char *path, struct err *e);

/* Says that reading will go from front to back. */
void map_advise_sequential(const struct map *m);

void map_close(struct map *m);

#endif
