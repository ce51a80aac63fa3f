/* SPDX-License-Identifier: MIT
 *
 * The SAEs of a model's layers, at most one to a layer, ready to be used in the
 * middle of forward passes by several threads.
 */
#ifndef LENS_SAES_H
#define LENS_SAES_H

#include "capture/gpt2.h"
#include "sae/sae.h"

struct saes {
    int layers;                  /* of the model */
    struct sae *sae;             /* [layers]; m 0: there is none */
    struct team one;             /* of an encoder */
    struct sae_encoder *encoder; /* [layers] owns the packed weights */
    struct sae_encoder *shared;  /* [threads × layers] */
    struct codes *codes; /* [threads × layers] of each one's last use */
    int threads;
    struct arena arena;
};

/* Loads the folders for a model and a team. SAEs of another width or of single
 * heads, two for one layer, one that does not say its layer, and one that says
 * that it was trained on another model, or on z with its value biases where the
 * model's is without or the other way round, are errors. On failure nothing is
 * held. */
int saes_open(struct saes *s, const char *const *folders, size_t n,
              const struct gpt2 *g, const struct team *team, struct err *e);
/* Accepts a zeroed one. */
void saes_close(struct saes *s);

bool saes_has(const struct saes *s, int layer);

/* Encodes z (n, d) of a layer that has an SAE; *codes is good until the thread
 * does so again. */
int saes_encode(const struct saes *s, int layer, int thread, const float *z,
                size_t n, const struct codes **codes, struct err *e);
/* The same into codes of the caller's. */
int saes_encode_into(const struct saes *s, int layer, int thread,
                     const float *z, size_t n, struct codes *codes,
                     struct err *e);

#endif
