/* SPDX-License-Identifier: MIT
 *
 * What the benchmark runs steps on: parameters as training begins with, batches
 * of rows, and a share of features that are dead whatever they do.
 *
 * Rows are either those of a dump, shuffled and scaled as training has them, or
 * normal random numbers.
 */
#ifndef BENCH_PROBLEM_H
#define BENCH_PROBLEM_H

#include "train/input.h"
#include "train/options.h"
#include "train/step.h"

struct problem_shape {
    size_t d, m, k, n;
    double dead; /* share of the features */
    enum train_architecture architecture;
    struct groups groups; /* matryoshka */
    size_t aux_parts;     /* if any are dead */
    float bandwidth;      /* jumprelu */
    uint64_t seed;
};

/* Different batches that steps take in turn. */
enum { PROBLEM_BATCHES = 4 };

struct problem {
    struct problem_shape shape;
    float *x; /* (PROBLEM_BATCHES, n, d) */
    struct arena arena;
};

/* Draws the rows, or takes them from a layer of a dump whose rows have d
 * numbers. */
int problem_draw(struct problem *q, const struct problem_shape *shape,
                 const struct team *team, struct err *e);
int problem_read(struct problem *q, const struct problem_shape *shape,
                 const struct dump *dump, int layer, const struct team *team,
                 struct err *e);
void problem_free(struct problem *q);

/* Parameters as at the start of training: unit decoder rows, the encoder a
 * multiple of them. Where k does not decide, all b_enc or thresholds are such
 * that k features a row are active, as late in a training; the rate is then too
 * small to change that. */
int problem_parameters(struct parameters *p, const struct problem *q,
                       const struct team *team, struct err *e);

/* Rows of step t, the first being 1; its plan; and the dead features' counters
 * set again, which a step resets for those that fired. */
const float *problem_rows(const struct problem *q, uint64_t t);
struct step_plan problem_plan(const struct problem *q, uint64_t t);
void problem_kill(const struct problem *q, uint64_t *silent);

#endif
