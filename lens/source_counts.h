/* SPDX-License-Identifier: MIT
 *
 * How far back the sources of features lie, and which token strings they are:
 * what feature_source_offset and feature_source_token count (store/schema.sql),
 * of all activations of one context at a time. A visitor of sources_walk. Not
 * thread-safe; a thread has its own. Memory: SOURCES_BLOCK · t floats.
 */
#ifndef LENS_SOURCE_COUNTS_H
#define LENS_SOURCE_COUNTS_H

#include "lens/source_found.h"
#include "lens/sources.h"

/* Distances fall into bins that double, as positions do
 * (encode/statistics.h). */
enum { SOURCE_BINS = 32 };

struct source_counts {
    size_t longest;
    float *sum;         /* (SOURCES_BLOCK, longest) positive DFA of all heads */
    float *by_string;   /* (longest) of a point, at the string's first place */
    uint32_t *place;    /* (longest) where a position's string stands first */
    const int32_t *ids; /* of the context at hand */
    struct source_found *out;
    struct arena arena;
};

/* For contexts of up to `longest` tokens. On failure nothing is held. */
int source_counts_open(struct source_counts *c, size_t longest, struct err *e);
/* Accepts a zeroed one. */
void source_counts_close(struct source_counts *c);

/* The visitor for a context of t token ids; what it counts goes to `out`. */
struct source_visitor source_counts_visitor(struct source_counts *c,
                                            struct source_found *out,
                                            const int32_t *ids, size_t t);

#endif
