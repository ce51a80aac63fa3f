/* SPDX-License-Identifier: MIT
 *
 * The strongest sources of examples, head by head: which of them the table
 * example_source keeps (store/schema.sql). A visitor of sources_walk, whose
 * points have the number of their place as id. Of equal sources the earlier
 * comes first. Not thread-safe; a thread has its own.
 */
#ifndef LENS_SOURCE_EXAMPLES_H
#define LENS_SOURCE_EXAMPLES_H

#include "encode/source_places.h"
#include "lens/source_found.h"
#include "lens/sources.h"

enum {
    SOURCES_OF_HEAD = 2,
    /* One in so many of the positive contributions is enough: then an example
     * has at most as many sources. The strongest is kept however little it
     * is. */
    SOURCES_PART = 16,
};

/* What is known of a head of a point. */
struct source_head {
    double sum; /* of positive contributions */
    struct {
        float contribution; /* 0: none */
        uint32_t source;    /* position */
    } best[SOURCES_OF_HEAD];
};

struct source_examples {
    int heads;
    const struct source_place *places;
    struct source_head *found; /* (SOURCES_BLOCK, heads) */
    uint32_t first;            /* row of the context at hand */
    struct source_found *out;
    struct arena arena;
};

/* Keeps the places. On failure nothing is held. */
int source_examples_open(struct source_examples *x, int heads,
                         const struct source_place *places, struct err *e);
/* Accepts a zeroed one. */
void source_examples_close(struct source_examples *x);

/* The visitor for a context that begins at row `first`; what it finds goes to
 * `out`. */
struct source_visitor source_examples_visitor(struct source_examples *x,
                                              struct source_found *out,
                                              uint32_t first);

#endif
