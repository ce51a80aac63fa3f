/* SPDX-License-Identifier: MIT
 *
 * The plot of headscope induction as SVG: attention and logit by the length of
 * the prefix, a line for each head.
 */
#ifndef CLI_INDUCTION_PLOT_H
#define CLI_INDUCTION_PLOT_H

#include <jansson.h>
#include <stdio.h>

/* `report` is what prompt_induction answers; its first `top` heads are drawn.
 * Errors stay in the stream. */
void induction_plot(FILE *out, const json_t *report, const char *model,
                    size_t top);

#endif
