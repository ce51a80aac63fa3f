/* SPDX-License-Identifier: MIT
 *
 * Tokens drawn for each feature before it is known where it is active, and what
 * is left of them when that is known: tokens at which it is silent, in the
 * order in which they were drawn.
 */
#ifndef ENCODE_SILENT_H
#define ENCODE_SILENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct silent_draw {
    uint32_t token;
    uint16_t order; /* of drawing */
    bool active;
};

struct silent {
    size_t draws;             /* of each feature */
    struct silent_draw *draw; /* (m, draws) by token, then order */
    uint16_t *next;           /* (m) the first that may still be active */
    struct arena arena;
};

/* Draws for `limit` silent tokens of `tokens`, enough for a feature that is
 * active at half of them: fewer would be left once in 100,000 times. */
int silent_init(struct silent *s, size_t m, uint64_t tokens, size_t limit,
                uint64_t seed, struct err *e);
void silent_free(struct silent *s);

/* The feature is active at the token; the tokens of a feature must rise. */
void silent_active(struct silent *s, size_t feature, uint32_t token);

#endif
