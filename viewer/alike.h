/* SPDX-License-Identifier: MIT
 *
 * Which features of another SAE are active where a feature is. Both must rest
 * on the same dump.
 *
 * Two features are as alike as their being active correlates (phi). How often
 * both are is estimated on at most ALIKE_TOKENS tokens of the one: every n-th
 * of up to 4096 of the sample, which are four runs of its active tokens. How
 * often each is, is known of every token, and bounds the estimate. Where the
 * two are equally frequent its standard error is 0.06 at most. (One token after
 * each of many places would not do: the first active token after a place is too
 * often the first of its context.)
 */
#ifndef VIEWER_ALIKE_H
#define VIEWER_ALIKE_H

#include "viewer/call.h"

enum { ALIKE_TOKENS = 64, ALIKE_MOST = 3 };

struct alike {
    const struct catalog_feature *feature;
    int64_t together;   /* of the tokens looked at */
    double correlation; /* phi */
};

struct alike_work {
    size_t sae, other;     /* of the catalog's */
    int64_t first, tokens; /* of the dump */
    int64_t *together;     /* of the other's features, zero between calls */
};

/* After catalog_features. Free it after a failure too. */
int alike_begin(struct alike_work *m, struct call *c, size_t sae, size_t other);
void alike_free(struct alike_work *m);

/* The most alike first; *n of them. *looked is at how many tokens. */
int alike_find(struct alike out[ALIKE_MOST], size_t *n, int64_t *looked,
               struct alike_work *m, struct call *c,
               const struct catalog_feature *feature);

#endif
