/* SPDX-License-Identifier: MIT
 *
 * A code list brought into feature order by a counting sort: for each feature
 * the rows in which it is active, in ascending order, with its values there
 * and their gradients. So one thread can own a feature.
 */
#ifndef TRAIN_TRANSPOSE_H
#define TRAIN_TRANSPOSE_H

#include "sae/forward.h"

/* Zero it to begin. */
struct transposed {
    size_t
        *start; /* (m + 1) entries [start[i], start[i + 1]) are feature i's */
    uint32_t *row;
    float *f, *g; /* activation, gradient of the loss by pre-activation */
    float *side;  /* as struct entries has; not set where there is none */
    size_t m, capacity;
    uint32_t *place; /* (parts, m) scratch */
};
void transposed_free(struct transposed *t);

/* Fills *t from codes over m features, fewer than 2^32 entries, and the
 * gradients g, and side if that is not NULL, in their order. */
int transpose(struct transposed *t, const struct codes *codes, const float *g,
              const float *side, size_t m, const struct team *team,
              struct err *e);

#endif
