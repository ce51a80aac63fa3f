/* SPDX-License-Identifier: MIT
 *
 * The codes of all tokens in a temporary file, written while they are counted
 * and read when they become rows: encoding twice would cost far more. 8 bytes
 * an activation and 4 a token. It may be read several times.
 */
#ifndef ENCODE_SPILL_H
#define ENCODE_SPILL_H

#include "encode/temporary.h"
#include "sae/sae.h"

struct spill {
    struct temporary file;
    /* The chunk last written or read. */
    uint32_t *counts; /* [rows_max] active features of a row */
    uint32_t *feature;
    float *value;
    size_t capacity; /* of feature and value */
};

/* Makes the file in the folder of `path`, which is kept. Chunks have at most
 * rows_max rows. */
int spill_open(struct spill *s, const char *path, size_t rows_max,
               struct err *e);
/* Accepts a zeroed one. */
void spill_close(struct spill *s);

int spill_write(struct spill *s, const struct codes *codes, struct err *e);

/* After the last write or a read: back to the first chunk. */
int spill_rewind(struct spill *s, struct err *e);

/* The next chunk, of n rows as it was written, into counts, feature and value.
 */
int spill_read(struct spill *s, size_t n, struct err *e);

#endif
