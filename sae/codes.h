/* SPDX-License-Identifier: MIT
 *
 * A sparse code list: what is left of a batch of rows after selection.
 */
#ifndef SAE_CODES_H
#define SAE_CODES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Row by row: entries [start[r], start[r + 1]) are row r's active features in
 * ascending order with their activations (> 0). Zero it to begin; it grows as
 * needed. */
struct codes {
    size_t n;      /* rows */
    size_t *start; /* [n + 1] */
    uint32_t *feature;
    float *value;
    size_t rows_capacity, capacity; /* rows and entries there is room for */
};
void codes_free(struct codes *c);
/* A feature's activation in a row, 0 if it is not active. */
float codes_value(const struct codes *c, size_t row, uint32_t feature);

/* Takes out the entries of value 0. */
void codes_drop_zeros(struct codes *c);

/* Makes room for n rows with `entries` active features together, and keeps what
 * is there. */
int codes_reserve(struct codes *c, size_t n, size_t entries, struct err *e);

#endif
