/* SPDX-License-Identifier: MIT
 *
 * The codes of all tokens in a temporary file, written once while they are
 * counted and read once when they become rows: encoding twice would cost far
 * more. 8 bytes an activation and 4 a token. The file has no name, so nothing
 * is left behind, however the program ends.
 */
#ifndef ENCODE_SPILL_H
#define ENCODE_SPILL_H

#include <stdbool.h>
#include <stdio.h>

#include "sae/sae.h"

struct spill {
    FILE *file;
    const char *path; /* of the output beside which it lies, for messages */
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

/* After the last write: back to the first chunk. */
int spill_rewind(struct spill *s, struct err *e);

/* The next chunk, of n rows as it was written, into counts, feature and value.
 */
int spill_read(struct spill *s, size_t n, struct err *e);

#endif
