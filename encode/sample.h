/* SPDX-License-Identifier: MIT
 *
 * Which contexts the database keeps rows for: all if they fit, else whole
 * contexts in random order until the next one would exceed the limit (but at
 * least one). A function of (contexts, limit, seed). Without contexts, blocks
 * of 256 tokens stand in for them, as in training (dump/split.h).
 */
#ifndef ENCODE_SAMPLE_H
#define ENCODE_SAMPLE_H

#include <stdbool.h>

#include "base/arena.h"
#include "dump/dump.h"

struct sample {
    size_t contexts;
    int64_t *start;  /* [contexts + 1] rows */
    bool *in;        /* [contexts] */
    uint64_t n_in;   /* contexts in the sample */
    uint64_t tokens; /* their tokens */
    struct arena arena;
};

int sample_draw(struct sample *s, const struct dump *d, uint64_t limit,
                uint64_t seed, struct err *e);
void sample_free(struct sample *s);

/* Tokens of the longest context. */
uint64_t sample_longest(const struct sample *s);

/* The context of a row. */
size_t sample_context(const struct sample *s, uint64_t row);

#endif
