/* SPDX-License-Identifier: MIT
 *
 * The method from end to end, for several seeds: some examples, drawn at random
 * from both classes alike, train the shared SAE; all examples are coded; heads
 * are scored by nodes and by edges, and again with labels shuffled. Codes of
 * other SAEs are scored in the same way.
 */
#ifndef CIRCUIT_EXPERIMENT_H
#define CIRCUIT_EXPERIMENT_H

#include "circuit/scores.h"
#include "circuit/shared.h"
#include "circuit/task.h"

struct experiment_options {
    struct shared_options sae;
    size_t examples; /* that train */
    size_t seeds;
    uint64_t seed;
    size_t shuffles; /* of the labels, for each seed */
    enum scores_kind score;
};

/* Of one seed. */
struct experiment_seed {
    struct shared_figures figures; /* NaN if it was not trained here */
    double none;                   /* share of (example, head) without a code */
    double *node;                  /* (heads) */
    double *edges;                 /* (heads) ranking by edges */
    double *shuffled; /* (shuffles, heads) node scores, with labels shuffled, or
                         answers among the positives */
    uint32_t *edge;   /* (heads, heads) */
    int32_t *code;    /* (rows, heads), -1: none */
};

struct experiment {
    const struct task *task;
    size_t rows;             /* of codes: an example has one or more */
    const uint32_t *example; /* (rows) whose a row is, ascending */
    size_t seeds, shuffles;
    struct experiment_seed *seed; /* [seeds] */
    double *node, *edges;         /* (heads) means over seeds */
    struct arena arena;
};

/* With a bar that counts seeds. Keeps the task. On failure nothing is held. */
int experiment_run(struct experiment *x, const struct task *t,
                   const struct experiment_options *o, const struct team *team,
                   struct err *e);

/* Codes from elsewhere, as those of one seed, which is o->seed. */
struct experiment_codes {
    size_t rows, features;   /* codes are below features */
    const uint32_t *example; /* (rows) ascending; kept */
    const int32_t *code;     /* (rows, heads), -1: none; copied */
};

/* Only seed, shuffles and score of the options count. The task needs no
 * vectors. */
int experiment_of_codes(struct experiment *x, const struct task *t,
                        const struct experiment_codes *codes,
                        const struct experiment_options *o,
                        const struct team *team, struct err *e);

/* Whose label each of n examples has in shuffle k of a seed: order (n). */
void experiment_shuffle(uint64_t *order, size_t n, uint64_t seed, size_t k);

void experiment_free(struct experiment *x);

#endif
