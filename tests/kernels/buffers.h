/* SPDX-License-Identifier: MIT
 *
 * Memory in which a kernel that reads or writes beside its arguments is seen.
 * A buffer ends at a page without access or begins right behind one. What lies
 * around it and between its rows is painted with signalling NaNs: sums that
 * take them in become NaN, and arithmetic turns them quiet, so that even a
 * store of what was loaded there shows. Each buffer has its own pattern.
 */
#ifndef TESTS_KERNELS_BUFFERS_H
#define TESTS_KERNELS_BUFFERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

enum buffer_side { BUFFERS_END_AT_GUARD, BUFFERS_BEGIN_AT_GUARD };

enum buffer_use {
    BUFFER_INPUT,  /* must be as it was after the call */
    BUFFER_OUTPUT, /* its rows may change */
};

/* Rows of `bytes`, `stride` apart. Units are aligned naturally; a buffer may
 * begin at any of them unless the unit is a cache line. */
struct buffer_shape {
    size_t rows, bytes, stride, unit;
};
enum { BUFFER_LINE = 64 };

/* Maps the memory; once. */
void buffers_init(void);

/* Forgets all buffers. `place` decides about their offsets. */
void buffers_reset(enum buffer_side side, struct rng place);

/* A new buffer, painted all over. `name` is for messages and is kept. */
void *buffer_get(const char *name, enum buffer_use use,
                 const struct buffer_shape *shape);

/* An input of `rows` rows of d floats without gaps, of which one buffer can be
 * had: returns what to take for row 0, while the first row that is there is
 * *first, which may lie 2^32 numbers behind it. */
float *buffer_get_far(const char *name, size_t rows, size_t d, uint32_t *first);

/* Takes note of all buffers as they are: to be called before the kernel. */
void buffers_seal(void);
/* What an address within a buffer held when it was noted. */
const void *buffer_before(const void *at);
/* From now on an input. */
void buffer_freeze(const void *buffer);

/* Whether everything outside of outputs is as it was noted; if not, says in
 * `why` what is not. */
bool buffers_intact(char *why, size_t size);

/* Where an address is, for the report of a fault. */
void buffers_describe(char *out, size_t size, const void *at);

/* Ordinary memory until the next reset, aligned to 64 bytes. */
void *buffers_plain(size_t bytes);

#endif
