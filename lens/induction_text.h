/* SPDX-License-Identifier: MIT
 *
 * Long-prefix induction in real text (Kissane et al. 2024): do heads that look
 * at what followed a prefix of two tokens need both of them? A pair of a head
 * is a destination and a source with
 *
 *     ids[src − 1] = ids[dst],  ids[src − 2] = ids[dst − 1],  A[dst, src] > 0.3
 *
 * and not BOS among them. Then ids[src − 2] becomes a random token, the text is
 * run again, and A[dst, src] is measured anew: it falls where the head needs
 * the longer prefix, and stays where the last token is enough.
 */
#ifndef LENS_INDUCTION_TEXT_H
#define LENS_INDUCTION_TEXT_H

#include "base/team.h"
#include "capture/gpt2.h"
#include "lens/prompt.h"

struct induction_text_job {
    const struct gpt2 *model;
    const int32_t *ids;    /* of contexts, each with BOS in front */
    const int64_t *starts; /* [n + 1] */
    size_t n;
    int32_t bos, eos; /* not drawn */
    size_t vocab;     /* ids below it are */
    size_t most;      /* pairs of a head, the first of the text */
    uint64_t seed;
    const struct team *team;
    const struct prompt_stop *stop;
};

struct induction_pair {
    uint32_t src, dst; /* positions in the context */
    size_t context, head;
    int32_t token; /* that took the place of ids[src − 2] */
    float attention, replaced;
};

struct induction_text {
    size_t heads;                /* of all layers */
    struct induction_pair *pair; /* [n_pairs] by head, then by context */
    size_t n_pairs;
    size_t *pairs;                /* (heads) */
    double *attention, *replaced; /* (heads) means over the pairs; NaN of none
                                   */
    struct arena arena;
};

/* A pass over all contexts, and one over a part of one for each pair. On
 * failure nothing is held. */
int induction_text_measure(struct induction_text *x,
                           const struct induction_text_job *job, struct err *e);
void induction_text_free(struct induction_text *x);

#endif
