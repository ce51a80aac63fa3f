/* SPDX-License-Identifier: MIT
 *
 * Induction by the length of the prefix that repeats (Kissane et al. 2024): an
 * induction head looks at what followed the last time. One that needs two or
 * more tokens to match is long-prefix, one that one token is enough for
 * short-prefix.
 *
 * A sequence is the BOS token and `tokens` others, drawn at random without
 * repeats, so that nothing else can be matched; but its last p tokens are a
 * copy of p that stand somewhere before, followed by the token x. Of each head
 * at the sequence's last token are measured
 *
 *     attention   the pattern's entry of x
 *     logit       what it adds to the logit of x, less what it adds to the mean
 *                 of all logits, by the last LayerNorm and W_U alone
 *                 (lens/readout.h)
 */
#ifndef LENS_INDUCTION_H
#define LENS_INDUCTION_H

#include "base/team.h"
#include "capture/gpt2.h"
#include "lens/prompt.h"

struct induction_job {
    const struct gpt2 *model;
    int32_t bos, eos; /* not drawn */
    size_t vocab;     /* ids below it are */
    size_t count, tokens, longest;
    uint64_t seed;
    const struct team *team;
    const struct prompt_stop *stop;
};

struct induction {
    size_t heads, longest; /* heads: of all layers */
    /* (heads, longest) means over `count` sequences and their standard errors,
     * NaN of one. */
    double *attention, *attention_error, *logit, *logit_error;
    struct arena arena;
};

/* Whether it can be drawn and run. */
int induction_check(const struct induction_job *job, struct err *e);

/* Draws the sequence of a number with a prefix of p tokens: ids[0] is BOS, of
 * `tokens` + 1. Returns the position of x. */
size_t induction_draw(int32_t *ids, const struct induction_job *job, size_t p,
                      size_t number);

/* On failure nothing is held. */
int induction_measure(struct induction *x, const struct induction_job *job,
                      struct err *e);
void induction_free(struct induction *x);

#endif
