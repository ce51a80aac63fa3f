/* SPDX-License-Identifier: MIT
 *
 * Which contexts the model must read to find an SAE's sources, and at which
 * points of them: those with an example and those of the source sample, packed
 * into groups of some hundred tokens, which are forward passes of their own.
 */
#ifndef LENS_SOURCE_PLAN_H
#define LENS_SOURCE_PLAN_H

#include "encode/sources.h"
#include "lens/sources.h"

/* Rows of a forward pass, unless one context has more. */
enum { SOURCE_GROUP = 512 };

struct source_context {
    size_t context; /* of the dump */
    size_t places;  /* where its places begin in plan->place */
    size_t sample;  /* its number in the source sample, or SIZE_MAX */
};

struct source_plan {
    const struct source_request *request;
    const int64_t *starts;           /* of the dump's contexts */
    size_t n;                        /* contexts to be read */
    struct source_context *contexts; /* [n + 1] the last one ends the places */
    uint32_t *place;                 /* numbers of places by context, feature */
    size_t groups;
    size_t *group; /* [groups + 1] where each begins in contexts */
    uint64_t tokens;
    size_t longest, group_rows, group_contexts, points; /* the most of each */
    struct arena arena;
};

/* Keeps the request. On failure nothing is held. */
int source_plan_make(struct source_plan *p,
                     const struct source_request *request, struct err *e);
/* Accepts a zeroed one. */
void source_plan_free(struct source_plan *p);

/* The points of context i, feature by feature, into out [plan->points]; how
 * many. The id of an example's is the number of its place. */
size_t source_plan_examples(const struct source_plan *p,
                            struct source_point *out, size_t i);
size_t source_plan_sample(const struct source_plan *p, struct source_point *out,
                          size_t i);

#endif
