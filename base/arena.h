/* SPDX-License-Identifier: MIT
 *
 * Memory of one life time in one place: an arena hands out zeroed pieces
 * aligned to 64 bytes and frees them together. Sizes are checked for overflow,
 * so a number from a file can be passed on once it has been checked against
 * the file.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/err.h"

/* Zero it to begin ({0} is an empty arena). Not thread-safe. */
struct arena {
    void **blocks;
    size_t n_blocks, capacity;
    size_t bytes; /* handed out in total */
};

/* A zeroed array of count × size bytes into *out; `what` names it in the
 * error. count 0 gives a valid pointer to nothing. */
int arena_get(struct arena *a, void *out, size_t count, size_t size,
              const char *what, struct err *e);

/* A copy of a string. */
int arena_string(struct arena *a, char **out, const char *text, struct err *e);

/* Copies of what stands between the commas of `list`: *n of them, at least one,
 * which may be empty. */
int arena_list(struct arena *a, char ***out, size_t *n, const char *list,
               struct err *e);

/* Frees everything; the arena is empty and usable again. */
void arena_free(struct arena *a);

#endif
