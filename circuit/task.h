/* SPDX-License-Identifier: MIT
 *
 * A task's examples: of every prompt one vector for each head of each layer,
 * and whether the prompt is positive. The vector is what the head adds to the
 * residual stream, its result z_h·W_O[h] (O'Neill & Bui 2024), or z_h itself.
 */
#ifndef CIRCUIT_TASK_H
#define CIRCUIT_TASK_H

#include "base/team.h"
#include "dump/dump.h"

/* Of which of the prompt's tokens; in the order of the option's choices. */
enum task_position {
    TASK_MEAN,  /* the mean of all, BOS included: the paper's */
    TASK_LAST,  /* the one whose prediction counts */
    TASK_TOKEN, /* a numbered one */
};

struct task_options {
    enum task_position position;
    int64_t token; /* from 0, or from the end, -1 the last */
    bool z;        /* not the result */
};

struct task {
    size_t n, positives;
    int first_layer, layers, layer_heads;
    size_t heads; /* layers × layer_heads, layer by layer */
    size_t d;
    float *x;          /* (n, heads, d) */
    int8_t *label;     /* (n) */
    int32_t *answer;   /* (n) the token that answers the prompt, -1: none */
    uint64_t *context; /* (n) of the dump; those without a label are left out */
    struct arena arena;
};

/* Labels are those of the dump's prompts, or else its groups "positive" and
 * "negative". A dump without them, of one class only, without W_O for results,
 * or with a context that has no such token, is an error. On failure nothing is
 * held. */
int task_open(struct task *t, const struct dump *d,
              const struct task_options *o, const struct team *team,
              struct err *e);
void task_close(struct task *t);

/* "L2H1" for a head's number, into out[TASK_HEAD_MAX]. */
enum { TASK_HEAD_MAX = 32 };
void task_head_name(char *out, const struct task *t, size_t head);

#endif
