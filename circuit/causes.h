/* SPDX-License-Identifier: MIT
 *
 * What heads do for a task in the model itself: the ground truth that rankings
 * by codes are held against, and how much of the task a set of heads keeps.
 *
 * A head is in the circuit if changing it alone, at all positions, to its mean
 * over the reference or to what it is in the corrupted prompt, changes the
 * metric by at least a share of the gap and by at least some standard errors.
 * The gap is clean less corrupted, or, without corrupted prompts, clean less
 * all heads at their means.
 *
 * Faithfulness of a set C, the others at their means:
 *
 *     F(C) = (m(C) − m(∅)) / (m(M) − m(∅))
 *
 * with m(M) the clean metric and m(∅) that of all heads at their means. MLPs
 * are never changed.
 */
#ifndef CIRCUIT_CAUSES_H
#define CIRCUIT_CAUSES_H

#include "lens/effects.h"

struct causes_rule {
    double share;  /* of the gap */
    double errors; /* standard errors */
};

struct cause {
    struct effect mean, patch; /* patch 0 without corrupted prompts */
    bool in_circuit;
};

struct causes {
    size_t heads;       /* of all layers, layer by layer */
    double clean, none; /* m(M), m(∅) */
    double corrupted;   /* NaN without */
    double gap;
    struct cause *head; /* [heads] */
    struct arena arena;
};

/* `job` has prompts, partners, metric and means, but no edits. 2 × heads + 2
 * passes with corrupted prompts, else heads + 2. On failure nothing is held. */
int causes_find(struct causes *c, const struct effects_job *job,
                const struct causes_rule *rule, struct err *e);
void causes_free(struct causes *c);

/* Faithfulness of the first `size` heads of an order, and of as many drawn at
 * random. */
struct faithful_point {
    size_t size;
    double kept;              /* F */
    double random, random_sd; /* over the draws */
};

/* points [n] with sizes given; order (heads) is a permutation. (draws + 1) × n
 * + 1 passes. */
int causes_faithful(struct faithful_point *points, size_t n,
                    const uint32_t *order, size_t draws, uint64_t seed,
                    const struct effects_job *job, struct err *e);

#endif
