/* SPDX-License-Identifier: MIT
 *
 * The report of headscope prompt for a person.
 */
#ifndef CLI_PROMPT_PRINT_H
#define CLI_PROMPT_PRINT_H

#include <jansson.h>

/* To stdout: the answers of lens/prompt.h that the report has. */
void prompt_print(const json_t *report);

#endif
