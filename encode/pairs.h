/* SPDX-License-Identifier: MIT
 *
 * The table feature_pair: which features are active together more often than
 * chance. Counted on some tokens of the sample, spread evenly over it: every
 * step-th token, the first included, in the order of the dump. step is the
 * smallest that leaves at most PAIR_TOKENS tokens, doubled as often as they
 * have more than PAIR_WORK pairs of active features: then memory and time stay
 * bounded, whatever the SAE's L0.
 *
 * Were features a and b independent, both would be active at expected =
 * fires_a · fires_b / tokens of the tokens, give or take √expected. Kept are
 * of each feature the PAIRS others with the largest (count − expected) /
 * √expected, count being at least PAIR_COUNT and above expected; of equals
 * those with the larger count, then the lower number.
 *
 * Call order: init; add all chunks; find; write; free. Memory: 4 bytes for each
 * activation at these tokens (16 MB at k 64), twice that in find, which has one
 * thread, and 0.3 KB a feature from then on.
 */
#ifndef ENCODE_PAIRS_H
#define ENCODE_PAIRS_H

#include "encode/best.h"
#include "encode/chunk.h"
#include "store/writer.h"

enum {
    PAIR_TOKENS = 65536,
    PAIR_WORK = 1 << 28, /* Σ k² over tokens: 2 s of one core */
    PAIRS = 16,
    PAIR_COUNT = 2,
};

struct pairs {
    size_t m;
    uint64_t step, seen; /* tokens of the sample until now */
    uint64_t work;       /* Σ k² over the tokens taken */
    size_t tokens;       /* taken, at most PAIR_TOKENS */
    size_t *start;       /* [tokens + 1] where a token's features begin */
    uint32_t *feature;   /* [start[tokens]] */
    size_t capacity;     /* of feature */
    /* What is found: */
    size_t *begin;    /* (m + 1) differences: tokens of each feature */
    struct best best; /* (m) tie: the count */
    struct arena arena;
};

/* For an SAE of m features and a sample of so many tokens. On failure nothing
 * is held. */
int pairs_init(struct pairs *p, size_t m, uint64_t sample_tokens,
               struct err *e);
void pairs_free(struct pairs *p);

/* Adds the rows of a chunk that are in the sample. */
int pairs_add(struct pairs *p, const struct chunk *c, struct err *e);

int pairs_find(struct pairs *p, struct err *e);
int pairs_write(const struct pairs *p, struct store_writer *w, struct err *e);

#endif
