/* SPDX-License-Identifier: MIT
 *
 * From which tokens a feature comes, as the API says it (docs/api.md): of an
 * example, and of the feature. Empty where the database was made without the
 * model.
 */
#ifndef VIEWER_SOURCES_H
#define VIEWER_SOURCES_H

#include "viewer/call.h"

enum { SOURCES_MAX = 128 }; /* of an example: 64 heads, two of each */

/* An example's place, as token ids; first <= token. */
struct sources_place {
    int64_t sae, feature, token;
    int64_t first;    /* of the context */
    int64_t position; /* in it, of the token */
};

/* Puts "sources", strongest first, those of one head unless `head` is -1. *top
 * is the token that gives most over all of them, or -1. */
int sources_put_example(int64_t *top, struct call *c, json_t *object,
                        const struct sources_place *place, int64_t head);

/* Puts the feature's "sources", null without the model. */
int sources_put_feature(struct call *c, json_t *object, int64_t sae,
                        int64_t feature);

#endif
