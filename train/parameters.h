/* SPDX-License-Identifier: MIT
 *
 * What training changes: the four tensors of the autoencoder, and those that an
 * architecture has beside them, with their Adam moments, fp32, feature-major,
 * in the units of scaled inputs.
 */
#ifndef TRAIN_PARAMETERS_H
#define TRAIN_PARAMETERS_H

#include <stdint.h>

#include "base/arena.h"
#include "base/team.h"

/* A tensor and its first and second moment, all of one shape. */
struct weight {
    float *w, *m, *v;
};

struct parameters {
    size_t d, m;
    struct weight w_enc;        /* (m, d) */
    struct weight w_dec;        /* (m, d), rows of unit length unless they
                                   are free */
    struct weight b_enc;        /* (m), of a gated SAE b_gate */
    struct weight b_dec;        /* (d) */
    struct weight threshold;    /* (m) JumpReLU's θ, else NULL */
    struct weight r_mag, b_mag; /* (m) of a gated SAE, else NULL */
    struct arena arena;
};

/* Zeroed parameters. */
int parameters_init(struct parameters *p, size_t d, size_t m, struct err *e);
/* What makes them those of a JumpReLU SAE (train/threshold.h) or a gated one
 * (train/gate.h); zeroed. */
int parameters_add_threshold(struct parameters *p, struct err *e);
int parameters_add_gate(struct parameters *p, struct err *e);
void parameters_free(struct parameters *p);

/* Draws decoder rows evenly from the unit sphere, row i from lane i of `seed`,
 * and copies them to the encoder (tied at the start). */
void parameters_draw(struct parameters *p, uint64_t seed,
                     const struct team *team);
/* Draws encoder rows for themselves, from lane m + i. */
void parameters_draw_encoder(struct parameters *p, uint64_t seed,
                             const struct team *team);

#endif
