/* SPDX-License-Identifier: MIT
 *
 * Means over reference contexts, for mean ablation, of z and of the activations
 * of some features: of all tokens, or for each position of contexts with the
 * same layout, where only what differs between them should be lost.
 */
#ifndef LENS_MEANS_H
#define LENS_MEANS_H

#include "lens/runner.h"
#include "lens/saes.h"

struct means_feature {
    int layer;
    uint32_t feature;
};

/* What to take means of. */
struct means_reference {
    struct runner_contexts contexts;
    const int32_t *layout; /* [contexts.n] each below `layouts`; NULL: one mean
                              of all tokens */
    size_t layouts;
    const struct saes *saes; /* for features */
    const struct means_feature *feature;
    size_t n_features;
};

struct means {
    int layers; /* of the model */
    size_t d;
    size_t positions;    /* of the longest context; without layouts 1 */
    size_t places;       /* layouts × positions, or 1 */
    float *z;            /* (places, layers, d) */
    float *feature_mean; /* (places, n_features) */
    uint64_t *count;     /* (places) rows behind each */
    const struct means_feature *feature;
    size_t n_features;
    bool by_layout;
    struct arena arena;
};

/* Runs the reference. Sums in double, in the order of the contexts. Keeps
 * `feature`. Memory: places × layers × d_model × 12 bytes. On failure nothing
 * is held. */
int means_open(struct means *m, const struct gpt2 *model,
               const struct means_reference *from, const struct team *team,
               struct err *e);
/* Accepts a zeroed one. */
void means_close(struct means *m);

/* The place of a position of contexts with a layout (any, without layouts), or
 * SIZE_MAX if the reference has none there. */
size_t means_place(const struct means *m, int32_t layout, size_t position);
/* The mean z (d) of a layer there; a feature's mean activation. */
const float *means_z(const struct means *m, size_t place, int layer);
float means_of_feature(const struct means *m, size_t place, int layer,
                       uint32_t feature);

#endif
