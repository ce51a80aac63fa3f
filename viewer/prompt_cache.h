/* SPDX-License-Identifier: MIT
 *
 * Finished answers by what was asked, as many as fit into a number of bytes;
 * the one used longest ago goes first. Not thread-safe.
 */
#ifndef VIEWER_PROMPT_CACHE_H
#define VIEWER_PROMPT_CACHE_H

#include <stdbool.h>
#include <stddef.h>

struct prompt_cache {
    struct prompt_cached *first; /* used last */
    size_t bytes, most;
};

/* A copy (the caller's free) of the answer to a question, or NULL: it is not
 * there, or there is no memory. Cost: the questions that are kept. */
char *prompt_cache_get(size_t *length, struct prompt_cache *c, const char *key);

/* Keeps a copy, if there is memory and it is not too large. */
void prompt_cache_put(struct prompt_cache *c, const char *key, const char *text,
                      size_t length);

void prompt_cache_clear(struct prompt_cache *c);

#endif
