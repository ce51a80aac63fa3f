/* SPDX-License-Identifier: MIT
 *
 * The codes of some whole contexts of the sample, spread evenly over it, for
 * what is counted by source (feature_source_offset, feature_source_token):
 * every step-th context, the first included, in the order of the dump. step is
 * the smallest that leaves at most SOURCE_TOKENS tokens, but one context at
 * least, doubled as often as these have more than SOURCE_ACTIVATIONS: then
 * memory and time stay bounded, whatever the SAE's L0.
 *
 * Call order: init; add all chunks; free. Memory: 4 bytes for each activation.
 */
#ifndef ENCODE_SOURCE_SAMPLE_H
#define ENCODE_SOURCE_SAMPLE_H

#include "encode/chunk.h"

enum {
    SOURCE_TOKENS = 32768,
    SOURCE_ACTIVATIONS = 1 << 21,
};

struct source_sample {
    const struct sample *sample; /* NULL: nothing is wanted */
    uint64_t step, seen;         /* contexts of the sample until now */
    bool taking;                 /* the context at hand */
    size_t current;              /* that context, + 1; 0: none yet */
    size_t contexts, tokens;     /* taken */
    size_t *context;             /* [contexts] of the dump */
    size_t *first;               /* [contexts + 1] where their tokens begin */
    size_t *start;               /* [tokens + 1] where a token's codes begin */
    uint32_t *feature;           /* [start[tokens]], rising in a token */
    size_t capacity;             /* of feature */
    struct arena arena;
};

/* NULL for `sample`: adding does nothing. On failure nothing is held. */
int source_sample_init(struct source_sample *s, const struct sample *sample,
                       struct err *e);
/* Accepts a zeroed one. */
void source_sample_free(struct source_sample *s);

int source_sample_add(struct source_sample *s, const struct chunk *c,
                      struct err *e);

#endif
