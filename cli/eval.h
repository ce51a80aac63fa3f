/* SPDX-License-Identifier: MIT
 *
 * What `headscope eval` prints for a person, from the report that --json gives,
 * so that both say the same.
 */
#ifndef CLI_EVAL_H
#define CLI_EVAL_H

#include <jansson.h>

/* `report` as cli/eval.c fills it. */
void eval_print(const json_t *report);
/* Its part that cli/fidelity.c fills. */
void eval_print_fidelity(const json_t *report);

#endif
