/* SPDX-License-Identifier: MIT
 *
 * From trained parameters to an SAE in raw activation units, with the
 * threshold and the figures that go with it.
 *
 * Training saw x' = s·x. Dividing b_enc and b_dec by s and keeping both
 * matrices gives h(x) = h'(x')/s and the same reconstruction, with unit
 * decoder rows and activations in raw units (reference: "fold" in
 * docs/formats.md). Thresholds are divided, too. Free decoder rows become unit
 * rows, their norm going to W_enc and b_enc; a gated SAE becomes the jumprelu
 * that it is (sae/sae.h), whose b_enc is b_mag.
 */
#ifndef TRAIN_FINISH_H
#define TRAIN_FINISH_H

#include "sae/measure.h"
#include "train/input.h"
#include "train/options.h"
#include "train/parameters.h"

struct train_spec; /* train/train.h */

/* Figures on the held-out sample. */
struct finish_figures {
    double fvu, l0;
    double threshold; /* 0 for topk */
    double never;     /* share of features that no held-out row activates */
    uint64_t rows;
    json_t *all; /* the figures of docs/metrics.md, for headscope.json; the
                    caller's json_decref */
};

struct finish_input {
    const struct parameters *p;
    const struct input *in;
    const struct spectrum *held_out; /* of the held-out sample */
    const struct train_config *config;
    const struct train_spec *spec; /* what the rows are */
    const struct team *team;
};

/* Fills *s (the caller's sae_free). For BatchTopK and Matryoshka the threshold
 * is the value at which the held-out sample has k active features a row on
 * average, exactly but for ties (trainers' running averages lag and depend on
 * the batch size).
 */
int finish_sae(struct sae *s, struct finish_figures *figures,
               const struct finish_input *f, struct err *e);

#endif
