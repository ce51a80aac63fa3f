/* SPDX-License-Identifier: MIT
 *
 * The codes of all heads at the tokens of the sample: collected in token order
 * in a temporary file, 4 bytes each, and given out in the order of their table:
 * head, feature, token.
 */
#ifndef ENCODE_HEAD_CODES_H
#define ENCODE_HEAD_CODES_H

#include "encode/chunk.h"
#include "encode/temporary.h"
#include "store/writer.h"

struct head_codes {
    size_t heads, m;
    uint64_t *count; /* (heads, m) tokens of the sample with this code */
    struct temporary file;
    struct arena arena;
};

/* For an SAE of m features; the file lies beside `path`, which is kept. On
 * failure nothing is held. */
int head_codes_init(struct head_codes *h, int heads, size_t m, const char *path,
                    struct err *e);
void head_codes_free(struct head_codes *h);

/* Adds the rows of a chunk that are in the sample. */
int head_codes_add(struct head_codes *h, const struct chunk *c, struct err *e);

/* After the last row: the tokens at which a head has a code, and the entropy of
 * its codes there, −Σ p log2 p in bits; NaN without any. */
void head_codes_measure(const struct head_codes *h, int head, int64_t *codes,
                        double *entropy);

/* Writes how often a head has which code. */
int head_codes_write_counts(const struct head_codes *h, struct store_writer *w,
                            struct err *e);

/* Writes the rows, once, with so much memory for sorting (by_key.h). */
int head_codes_write(struct head_codes *h, const struct sample *sample,
                     uint64_t memory, struct store_writer *w, struct err *e);

#endif
