/* SPDX-License-Identifier: MIT
 *
 * Interventions: what is changed of z in the middle of a forward pass. An edit
 * is of a whole layer, of a head or of a feature of the layer's SAE, at one
 * position of every context or at all.
 *
 *     zero     z_h = 0; f = 0
 *     mean     z_h = its mean over a reference; f likewise
 *     scale    z_h = factor · z_h; f = factor · f
 *     patch    z_h as it is in another run, at the same position; f likewise
 *     splice   z = x̂, the SAE's reconstruction (of a whole layer only)
 *
 * A change of a feature keeps the SAE's error: z + (f' − f)·W_dec[feature]
 * (Kissane et al. 2024). f is what the SAE gives for the layer's z as edits of
 * layers before have made it, without those of its own; edits of one layer are
 * made in their order. A splice and features of the same layer do not go
 * together.
 */
#ifndef LENS_EDITS_H
#define LENS_EDITS_H

#include "lens/means.h"

enum edit_kind { EDIT_ZERO, EDIT_MEAN, EDIT_SCALE, EDIT_PATCH, EDIT_SPLICE };

struct edit {
    enum edit_kind kind;
    int layer;
    int head;        /* -1: all */
    int64_t feature; /* -1: z itself */
    bool everywhere; /* at all positions, else at `position`: from 0, or if it
                        is negative from the context's end, -1 the last */
    int64_t position;
    double factor; /* scale */
};

/* What edits are made with; what they do not need may be NULL. */
struct edit_sources {
    const struct gpt2_config *config;
    const struct saes *saes;
    const struct means *means;
    const int32_t *layout; /* of each of the runner's contexts, for means */
};

/* One pass's edits, and where it stands. */
struct edits {
    const struct edit_sources *from;
    const struct edit *edit; /* [n] */
    size_t n;
    const struct runner_group *group;
    float *const *patch; /* [layers] z of the other run; NULL where no edit
                            wants it */
    struct err e;        /* the first failure: the pass goes on, for nothing */
};

/* Whether the SAE that an edit needs is there, with its feature. */
int edits_check(const struct edit *edit, const struct edit_sources *from,
                struct err *e);

/* For gpt2_tap.edit, with ctx a struct edits. */
void edits_apply(void *ctx, int layer, float *z);

/* "L2H1", "L2F130", "L2": head, feature or layer, with "@5" or "@-1" behind it
 * for one position. Sets all but the kind and the factor. */
int edits_parse(struct edit *out, const char *text, const struct gpt2_config *c,
                struct err *e);
/* The reverse, into out[EDIT_NAME_MAX]. */
enum { EDIT_NAME_MAX = 64 };
void edits_name(char *out, const struct edit *edit);

#endif
