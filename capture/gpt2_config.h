/* SPDX-License-Identifier: MIT
 *
 * config.json of a GPT-2 folder: the sizes, and the refusal of what would have
 * to be computed otherwise.
 */
#ifndef CAPTURE_GPT2_CONFIG_H
#define CAPTURE_GPT2_CONFIG_H

#include "capture/gpt2.h"

/* `tied`: whether the unembedding is the embedding. */
int gpt2_config_read(struct gpt2_config *c, bool *tied, const char *path,
                     struct err *e);

#endif
