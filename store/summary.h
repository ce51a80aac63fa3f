/* SPDX-License-Identifier: MIT
 *
 * What a database holds, for `headscope encode` when it is done and for
 * `headscope info`.
 */
#ifndef STORE_SUMMARY_H
#define STORE_SUMMARY_H

#include <jansson.h>
#include <stdio.h>

#include "base/err.h"

/* Prints one line about the dump and a table with a line per SAE. `out` may
 * be NULL: then only `report` is filled, an object that receives "database",
 * "dumps" and "saes" (it may be NULL too). A file that is no database of ours
 * is refused. */
int store_summary_print(FILE *out, const char *path, json_t *report,
                        struct err *e);

#endif
