/* SPDX-License-Identifier: MIT
 *
 * The codes of all heads at the tokens of the sample, collected in token order
 * and given out in the order of their table: head, feature, token.
 */
#ifndef ENCODE_HEAD_CODES_H
#define ENCODE_HEAD_CODES_H

#include "encode/chunk.h"
#include "store/writer.h"

struct head_codes {
    int heads;
    size_t n, tokens_max;
    uint32_t *token;   /* [n] */
    uint32_t *feature; /* (heads, tokens_max) or CHUNK_NO_CODE */
    struct arena arena;
};

int head_codes_init(struct head_codes *h, int heads, size_t tokens_max,
                    struct err *e);
void head_codes_free(struct head_codes *h);

/* Adds the rows of a chunk that are in the sample. */
void head_codes_add(struct head_codes *h, const struct chunk *c);

/* Writes the rows of an SAE with m features. */
int head_codes_write(const struct head_codes *h, size_t m,
                     struct store_writer *w, struct err *e);

#endif
