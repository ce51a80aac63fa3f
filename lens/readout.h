/* SPDX-License-Identifier: MIT
 *
 * A number that is linear in the residual stream at one token, divided over
 * what wrote the stream. The stream in front of layer L is a sum: the
 * embeddings, and of each layer below the heads (z_h·W_O[h]), the output bias
 * and the MLP. So r·u is the sum of what each gives with u. In a layer with an
 * SAE z = Σ_f f·W_dec[f] + b_dec + error, which divides its heads a second
 * time.
 *
 * Behind a LayerNorm, whose σ = √(variance r + ε) is taken as it is, the number
 * is LN(r)·n = r·u + b·n with u = (g∘n − mean(g∘n)) / σ; b·n then is a part of
 * its own, the caller's.
 */
#ifndef LENS_READOUT_H
#define LENS_READOUT_H

#include "lens/prompt_run.h"

struct readout_feature {
    int layer;
    uint32_t feature;
    double value;
};

struct readout {
    int layers, heads; /* of the stream: those below */
    double token, position;
    double *head;                    /* (layers, heads) */
    double *bias, *mlp;              /* (layers) */
    double *b_dec, *error;           /* (layers) with an SAE, else 0 */
    struct readout_feature *feature; /* [n_features] by layer, then by index */
    size_t n_features;
    double sum;    /* of token, position, head, bias and mlp */
    double *along; /* (layers, d) W_O·u: what a unit of z gives */
};

/* Through a LayerNorm: u (d) from n (d), and *bias = b·n. r (d) is the stream
 * that the norm is given. */
void readout_through_norm(double *u, double *bias, const double *n,
                          const float *r, const struct layer_norm *norm,
                          const struct gpt2_config *c);

/* Divides r·u, r the stream at the position in front of layer `layers`. Memory
 * from the arena. Cost: layers × d² in double. */
int readout_find(struct readout *r, const struct prompt_run *run, int layers,
                 size_t position, const double *u, struct arena *arena,
                 struct err *e);

/* What w (d_head), a direction in a head's z at a destination, gets from each
 * source: terms (destination + 1) = A[destination, src]·(v[src]·w). They sum to
 * z_h·w. `room` has as many floats. */
void readout_sources(double *terms, float *room, const struct prompt_run *run,
                     int layer, int head, size_t destination, const double *w);

double readout_dot(const float *a, const double *b, size_t n);

#endif
