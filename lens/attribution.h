/* SPDX-License-Identifier: MIT
 *
 * Direct logit attribution: what each part of the model adds to one logit at
 * one token of a prompt, by the residual stream's last LayerNorm and W_U alone,
 * not through later layers (Elhage et al. 2021). The stream r is a sum of parts
 * c, and with the LayerNorm's σ = √(variance r + ε) taken as it is,
 *
 *     logit = Σ_c c·u + b·W_U[token],  u = (g∘w − mean(g∘w)) / σ,  w =
 * W_U[token]
 *
 * with gain g and bias b: parts add up to the logit, but for rounding. A logit
 * less another is the same with w the difference of both. Parts are the
 * embeddings, every head (z_h·W_O[h]), every layer's output bias, every MLP,
 * and b. In a layer with an SAE z = Σ_f f·W_dec[f] + b_dec + error, and so a
 * feature's part is f·W_dec[f]·W_O·u, which divides over heads.
 */
#ifndef LENS_ATTRIBUTION_H
#define LENS_ATTRIBUTION_H

#include "lens/saes.h"

struct attribution_feature {
    int layer;
    uint32_t feature;
    float activation;
    double part; /* of all heads */
};

struct attribution {
    double logit; /* as the model gives it */
    double sum;   /* of all parts below: head, bias, mlp, token ... */
    int layers, heads;
    double token, position, norm_bias; /* embeddings; b */
    double *head;                      /* (layers, heads) */
    double *bias;                      /* (layers) of the output projections */
    double *mlp;                       /* (layers) */
    /* Of layers with an SAE, else 0: its b_dec and what it does not explain. */
    double *b_dec, *error;               /* (layers) */
    struct attribution_feature *feature; /* [n_features] by layer, then by
                                            index; active ones */
    size_t n_features;
    struct arena arena;
};

struct attribution_job {
    const struct gpt2 *model;
    const struct saes *saes; /* or NULL */
    const int32_t *ids;      /* [n] the prompt */
    size_t n, position;      /* whose prediction */
    int32_t token, minus;    /* the logit of token, less that of minus; -1: of
                                token alone */
};

/* One thread, which is number 0 of the SAEs' team. On failure nothing is held.
 */
int attribution_find(struct attribution *a, const struct attribution_job *job,
                     struct err *e);
void attribution_free(struct attribution *a);

#endif
