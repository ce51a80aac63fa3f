/* SPDX-License-Identifier: MIT
 *
 * Direct feature attribution by source: which tokens a head's part of a feature
 * comes from. A head's z at a destination is what its pattern A takes of the
 * values v at the sources, so with the feature's encoder column W_enc[h, f]
 *
 *     u_h[src] = v_h[src]·W_enc[h, f]
 *     dfa_h[dst, src] = A_h[dst, src] · u_h[src]      0 behind the destination
 *
 * (Kissane et al. 2024, section 2; Bloom et al. 2024). Values are projected
 * first: O(t·d) for a feature of a context of t tokens, then O(t) for each head
 * and destination. What sums to what, with b_dec only where the SAE subtracts
 * it from its input (apply_b_dec_to_input):
 *
 *     Σ_src dfa_h[dst, src] = z_h[dst]·W_enc[h, f]
 *                           = DFA of the head + b_dec,h·W_enc[h, f]
 *     Σ_h Σ_src dfa_h[dst, src] + b_enc[f] − b_dec·W_enc[f] = pre-activation
 *
 * b_dec belongs to no source and is left out of the terms. v has the value
 * bias where the model has it: it then belongs to the sources.
 *
 * Not thread-safe; a thread has its own. Memory: heads · t² floats.
 */
#ifndef LENS_SOURCES_H
#define LENS_SOURCES_H

#include "capture/gpt2.h"
#include "sae/sae.h"

/* A feature and the position of a destination; `id` is the caller's. */
struct source_point {
    uint32_t feature, destination, id;
};

/* Points whose terms are worked out together. */
enum { SOURCES_BLOCK = 128 };

struct sources {
    const struct gpt2_config *config;
    const struct sae *sae;
    size_t longest;
    float *pattern; /* (heads, t, t) of the context */
    float *w_enc;   /* (SOURCES_BLOCK, d_head) of one head */
    float *u;       /* (SOURCES_BLOCK, t) of the block's features */
    float *dfa;     /* (t) */
    struct arena arena;
};

/* For contexts of up to `longest` tokens; keeps config and SAE, whose d is the
 * model's width. On failure nothing is held. */
int sources_open(struct sources *s, const struct gpt2_config *config,
                 const struct sae *sae, size_t longest, struct err *e);
/* Accepts a zeroed one. */
void sources_close(struct sources *s);

/* What is told of the terms, block by block: of each of its points every head,
 * then that the block is complete. */
struct source_visitor {
    /* dfa[0] to dfa[point->destination]; `slot` is the point's place in its
     * block. Heads rise. */
    void (*head)(void *ctx, size_t slot, const struct source_point *point,
                 int head, const float *dfa);
    void (*block)(void *ctx, const struct source_point *points, size_t n);
    void *ctx;
};

/* Goes over points [n] of one context of t tokens, those of a feature one after
 * the other. `qkv` is the context's first row of what gpt2_tap's qkv is
 * given. */
void sources_walk(struct sources *s, const float *qkv, size_t t,
                  const struct source_point *points, size_t n,
                  const struct source_visitor *visitor);

#endif
