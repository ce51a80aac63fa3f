/* SPDX-License-Identifier: MIT
 *
 * Distributions of the next token, alone and one against another.
 */
#ifndef LENS_PROMPT_NEXT_H
#define LENS_PROMPT_NEXT_H

#include "lens/prompt_run.h"

struct distribution {
    float *logits; /* (vocab) */
    double log_sum;
};

/* Of a row of a run's last stream. Memory from the arena. */
int distribution_find(struct distribution *out, struct prompt_run *run,
                      const float *x, struct arena *arena, struct err *e);

/* Adds kl, Σ before·ln(before / after), and next: the `top` most likely of
 * either, by their larger probability, with both. */
int distribution_add_pair(json_t *object, const struct prompt_lens *l,
                          const struct distribution *before,
                          const struct distribution *after, size_t top,
                          struct err *e);

#endif
