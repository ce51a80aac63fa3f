/* SPDX-License-Identifier: MIT
 *
 * A run of tokens, encoded and attributed to heads, and the same activations
 * once more in feature order. It is what the statistics are fed with.
 *
 * The chunk keeps its memory from one run to the next. One thread drives it.
 */
#ifndef ENCODE_CHUNK_H
#define ENCODE_CHUNK_H

#include "dump/dump.h"
#include "encode/sample.h"
#include "sae/sae.h"

/* Rows of a full chunk: enough to keep the encoder's blocks and threads busy,
 * small enough that a dense SAE's codes fit into memory. */
enum { CHUNK_ROWS = 4096 };

/* No active feature has anything from the head. */
#define CHUNK_NO_CODE UINT32_MAX

struct chunk {
    const struct dump *dump;
    const struct sae *sae;
    struct sae_encoder encoder;
    const struct sample *sample;
    const struct team *team;
    int layer, heads;
    uint64_t first;      /* dump row of row 0 */
    size_t n;            /* rows */
    float *x;            /* (CHUNK_ROWS, d) */
    uint32_t *context;   /* (CHUNK_ROWS) of each row */
    uint32_t *text;      /* (CHUNK_ROWS) text_key of each row */
    uint32_t *head_code; /* (CHUNK_ROWS, heads) feature or CHUNK_NO_CODE */
    struct codes codes;
    float *offsets;  /* (m, heads) of sae_attribute */
    size_t capacity; /* entries that the arrays below have room for */
    float *dfa;      /* (entries, heads), in the order of codes */
    uint32_t *row;   /* (entries), in the order of codes */
    uint32_t *order; /* (entries) indices into codes by (feature, row) */
    size_t *start;   /* (m + 1) where a feature begins in order */
    struct arena arena;
};

/* Keeps the pointers. `heads` divides d. */
int chunk_init(struct chunk *c, const struct dump *dump, int layer,
               const struct sae *sae, const struct sample *sample, int heads,
               const struct team *team, struct err *e);
void chunk_free(struct chunk *c);

/* Reads and encodes rows [first, first + n), n <= CHUNK_ROWS. */
int chunk_encode(struct chunk *c, uint64_t first, size_t n, struct err *e);

#endif
