/* SPDX-License-Identifier: MIT
 *
 * The codes of all heads at the tokens of the sample: counted, collected in a
 * temporary file, 4 bytes each, and given out again in the same order.
 *
 * Call order: init; add all chunks; measure and write_counts at any time; next
 * for each token.
 */
#ifndef ENCODE_HEAD_CODES_H
#define ENCODE_HEAD_CODES_H

#include "encode/chunk.h"
#include "encode/temporary.h"
#include "store/writer.h"

struct head_codes {
    size_t heads, m;
    uint64_t *count; /* (heads, m) tokens of the sample with this code */
    uint32_t *codes; /* (heads) of the token last read */
    bool reading;
    struct temporary file;
    struct arena arena;
};

/* A database has them as bits of an integer (store/schema.sql). */
enum { HEAD_CODES_MAX = 64 };

/* For an SAE of m features; the file lies beside `path`, which is kept. More
 * than HEAD_CODES_MAX heads are ERR_INPUT. On failure nothing is held. */
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

/* Reads the codes of the sample's next token into h->codes, the first time of
 * its first. */
int head_codes_next(struct head_codes *h, struct err *e);
/* The heads whose code a feature is at that token: bit i for head i. */
uint64_t head_codes_of(const struct head_codes *h, uint32_t feature);

#endif
