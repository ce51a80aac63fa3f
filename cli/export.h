/* SPDX-License-Identifier: MIT
 *
 * headscope export of an SAE: from any file format to any other that can carry
 * it.
 */
#ifndef CLI_EXPORT_H
#define CLI_EXPORT_H

#include "cli/cli.h"
#include "sae/formats.h"

/* Writes the SAE at `path` as the folder `output`, or with --dry-run says
 * whether it could. */
int export_sae(const struct common_options *common, const char *path,
               enum sae_format format, const char *output, json_t *report,
               struct err *e);

#endif
