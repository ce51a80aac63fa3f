/* SPDX-License-Identifier: MIT
 *
 * Whether SAEs keep the model's behaviour: the loss of next-token prediction
 * with z as it is, with the SAE's reconstruction in its place ("spliced"), with
 * zeros and with the mean, one layer at a time and in all layers together. A
 * layer's mean is that of its z over the same contexts.
 *
 * From these (Kissane et al. 2024; Bricken et al. 2023 have the first):
 *
 *     CE recovered, zero = (CE_zero − CE_spliced) / (CE_zero − CE_clean)
 *     CE recovered, mean = (CE_mean − CE_spliced) / (CE_mean − CE_clean)
 *     KL = mean over tokens of Σ_v p_clean(v)·ln(p_clean(v) / p_spliced(v))
 *
 * in nats per token, over all tokens of the contexts but their last, which
 * predict nothing. Every position is replaced, the BOS token's too.
 */
#ifndef LENS_FIDELITY_H
#define LENS_FIDELITY_H

#include "lens/runner.h"
#include "lens/saes.h"

struct fidelity_figures {
    int layer;                   /* -1: all layers that have an SAE, together */
    double spliced, zero, mean;  /* cross-entropy */
    double kl, kl_zero, kl_mean; /* to the clean run */
    double recovered_zero, recovered_mean; /* NaN: the baseline is no worse than
                                              the clean run */
};

struct fidelity {
    uint64_t tokens; /* predicted */
    double clean;    /* cross-entropy */
    size_t n;        /* layers with an SAE, and one more if they are several */
    struct fidelity_figures *figures; /* [n] by layer, together last */
    struct arena arena;
};

/* Takes 3 passes over the contexts, and 3 for each of n, from their layer on.
 * On failure nothing is held. */
int fidelity_measure(struct fidelity *f, const struct gpt2 *model,
                     const struct saes *saes,
                     const struct runner_contexts *contexts,
                     const struct team *team, struct err *e);
void fidelity_free(struct fidelity *f);

#endif
