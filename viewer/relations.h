/* SPDX-License-Identifier: MIT
 *
 * What a feature has to do with others and with the text, as the API says it
 * (docs/api.md): features that write the same, features active at the same
 * tokens, positions, document groups.
 */
#ifndef VIEWER_RELATIONS_H
#define VIEWER_RELATIONS_H

#include "viewer/call.h"

/* Puts "neighbours", "pairs", "positions" and "groups". */
int relations_put(struct call *c, json_t *object, int64_t sae, int64_t feature);

#endif
