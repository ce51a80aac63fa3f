/* SPDX-License-Identifier: MIT
 *
 * At which tokens the sources of which features are wanted: at all examples of
 * a feature at which it is active, and, of one head, at the head's examples.
 */
#ifndef ENCODE_SOURCE_PLACES_H
#define ENCODE_SOURCE_PLACES_H

#include "encode/example_sets.h"
#include "encode/scan.h"

struct source_place {
    uint32_t feature, token; /* the token's row in the dump */
    uint64_t heads;          /* bit h: an example of head h */
    bool example;            /* an example of the feature itself */
};

struct source_places {
    struct source_place *places; /* by feature, then by token; all different */
    size_t n;
    struct arena arena;
};

/* Of a scan that has run. 24 bytes for each place, of which there are as many
 * as examples at most. On failure nothing is held. */
int source_places_make(struct source_places *p, const struct scan *s,
                       const struct example_sets *sets, struct err *e);
/* Accepts a zeroed one. */
void source_places_free(struct source_places *p);

#endif
