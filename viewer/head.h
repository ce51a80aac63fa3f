/* SPDX-License-Identifier: MIT
 *
 * What a head does, as its page says it (docs/api.md): its codes, the groups
 * that its features fall into, and where it looks.
 */
#ifndef VIEWER_HEAD_H
#define VIEWER_HEAD_H

#include "viewer/call.h"

/* Puts "codes": how often the head has which code, the most frequent first. */
int head_put_codes(struct call *c, json_t *object, int64_t sae, int64_t head);

/* Puts "groups", each with its features. */
int head_put_groups(struct call *c, json_t *object, int64_t sae, int64_t head);

/* Puts "sources" of its strongest examples; null without the model. */
int head_put_sources(struct call *c, json_t *object, int64_t sae, int64_t head);

#endif
