/* SPDX-License-Identifier: MIT
 *
 * Which rows of a dump an SAE takes: those that its headscope.json says it was
 * trained on (a layer, some of its heads, one head, every head for itself, what
 * heads add to the residual stream), else the head that its cfg.json names,
 * else all heads of a layer side by side.
 */
#ifndef SAE_ROWS_H
#define SAE_ROWS_H

#include "dump/view.h"
#include "sae/sae.h"

/* Fills *v (the caller's view_free); `layer` counts where the SAE does not take
 * several. Refuses rows of another width than the SAE's. Keeps the dump. */
int rows_of_sae(struct view *v, const struct dump *d, const struct sae *s,
                int layer, struct err *e);

#endif
