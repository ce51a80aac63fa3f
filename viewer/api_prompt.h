/* SPDX-License-Identifier: MIT
 *
 * /api/prompt and /api/model: what a model does with a text (docs/api.md). The
 * parameters are the options of `headscope prompt`, and so are the answers.
 */
#ifndef VIEWER_API_PROMPT_H
#define VIEWER_API_PROMPT_H

#include "viewer/api.h"
#include "viewer/prompts.h"

bool prompt_owns(const char *path);

/* prompts NULL: the server has no model. socket: of the client. */
void prompt_answer(struct api_answer *out, struct prompts *prompts,
                   const struct call_site *site, struct target *target,
                   int socket);

#endif
