/* SPDX-License-Identifier: MIT
 *
 * /api/model, /api/prompt and /api/induction (docs/api.md): what a model does
 * with a text, and an experiment. The parameters are options of `headscope
 * prompt` and `headscope induction`, and the answers theirs.
 */
#ifndef VIEWER_API_PROMPT_H
#define VIEWER_API_PROMPT_H

#include "viewer/api.h"
#include "viewer/prompts.h"

bool api_prompt_owns(const char *path);

/* prompts NULL: the server has no model. socket: of the client. */
void api_prompt_answer(struct api_answer *out, struct prompts *prompts,
                       const struct call_site *site, struct target *target,
                       int socket);

#endif
