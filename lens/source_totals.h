/* SPDX-License-Identifier: MIT
 *
 * What is found about the sources of an SAE's features in all contexts, and its
 * rows in the database. What is added comes in the order of the contexts, from
 * one thread: then sums do not depend on the number of threads.
 *
 * Call order: init; add; write, once; free. Memory: 20 bytes for each source of
 * an example, 12 for each feature and distance, and the request's for strings,
 * the rest of which waits in a temporary file.
 */
#ifndef LENS_SOURCE_TOTALS_H
#define LENS_SOURCE_TOTALS_H

#include "encode/sources.h"
#include "encode/token_counts.h"
#include "lens/source_found.h"

struct source_totals {
    const struct source_request *request;
    size_t m, bins;
    struct source_found examples; /* rows of all contexts */
    double *sum;                  /* (m, bins) of positive contributions */
    uint32_t *count;              /* (m, bins) strongest sources there */
    struct token_counts strings;
    struct arena arena;
};

/* Distances are below `longest`. On failure nothing is held. */
int source_totals_init(struct source_totals *t,
                       const struct source_request *request, size_t longest,
                       struct err *e);
/* Accepts a zeroed one. */
void source_totals_free(struct source_totals *t);

/* Adds what a group of contexts has, or returns its failure. */
int source_totals_add(struct source_totals *t, const struct source_found *found,
                      struct err *e);

int source_totals_write(struct source_totals *t, struct store_writer *w,
                        struct err *e);

#endif
