/* SPDX-License-Identifier: MIT
 *
 * Measures of heads: from the features in memory, and as table head has them.
 */
#ifndef VIEWER_MEASURES_H
#define VIEWER_MEASURES_H

#include <stddef.h>
#include <stdint.h>

#include "viewer/call.h"

struct measures {
    int64_t features, majority;
    double activations; /* of the features that it leads */
    double share_sum;
    double fvu, held_out_fvu, code_entropy, groups; /* NaN: not known */
};

/* Fills one per head of an SAE (catalog_sae.heads of them). *total is the
 * number of the SAE's activations. After catalog_features. */
void measures_fill(struct measures *heads, double *total,
                   const struct catalog_feature *features,
                   const struct catalog_sae *sae);

/* Adds what the database says of the heads; after measures_fill. */
int measures_read(struct measures *heads, struct call *c,
                  const struct catalog_sae *sae);

/* Puts the members that docs/api.md lists. */
void measures_put(struct call *c, json_t *object, const struct measures *m,
                  double total);

/* What they are called and mean, as an array. */
void measures_put_legend(struct call *c, json_t *array);

#endif
