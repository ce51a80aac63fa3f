/* SPDX-License-Identifier: MIT
 *
 * cfg.json of an SAE folder: what SAELens writes there, checked, and what we
 * write. The configuration of SAELens before 6, whose keys all stand at the
 * top, is read as SAELens 6 reads it. docs/formats.md has the keys.
 */
#ifndef SAE_CONFIG_H
#define SAE_CONFIG_H

#include "sae/sae.h"

/* Fills architecture, sizes, hook, layer, head and model of *s; `where` is the
 * file. *rescale: activations are multiplied by the norms of decoder rows.
 * Refuses by name what would change the arithmetic and that we do not have. */
int sae_config_read(struct sae *s, bool *rescale, const json_t *cfg,
                    const char *where, struct err *e);

/* Hook, layer and model of *s; refuses a hook that is not z. */
int sae_config_place(struct sae *s, const char *hook, const char *model,
                     const char *where, struct err *e);

/* The new cfg.json; `extra` is headscope.json or NULL. A gated SAE is written
 * as the jumprelu that it is (sae.h). NULL without memory. */
json_t *sae_config_write(const struct sae *s, const json_t *extra);

#endif
