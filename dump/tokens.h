/* SPDX-License-Identifier: MIT
 *
 * Token ids and contexts: read from .npy, and the rules they keep.
 */
#ifndef DUMP_TOKENS_H
#define DUMP_TOKENS_H

#include <stdint.h>

#include "base/arena.h"

/* Ids of a file with one axis, or two (contexts, positions), which *positions
 * tells; 0 with one axis. i32, i64 and u16 are read; each must lie in
 * 0..2^31 - 1. */
int tokens_read_ids(int32_t **ids, uint64_t *n, uint64_t *positions,
                    struct arena *a, const char *path, struct err *e);

/* An i64 file with one axis. */
int tokens_read_contexts(int64_t **offsets, uint64_t *n, struct arena *a,
                         const char *path, struct err *e);

/* Ids must not be negative and, if vocab is not 0, be below it. */
int tokens_check_ids(const int32_t *ids, uint64_t n, uint64_t vocab,
                     const char *where, struct err *e);

/* offsets[contexts + 1] must begin with 0, rise at every step and end with
 * `tokens`. */
int tokens_check_contexts(const int64_t *offsets, uint64_t contexts,
                          uint64_t tokens, const char *where, struct err *e);

#endif
