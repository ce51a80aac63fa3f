/* SPDX-License-Identifier: MIT
 *
 * Files of JSON lines: one object a line, empty lines left out.
 */
#ifndef BASE_JSON_LINES_H
#define BASE_JSON_LINES_H

#include "base/json.h"

/* What is done with an object; it is borrowed. `where` is "FILE: line N". */
typedef int json_line_fn(void *ctx, const json_t *object, const char *where,
                         struct err *e);

/* Calls it for every line, until it fails. A line that is no object, or has a
 * key twice, is an error. */
int json_each_line(const char *path, json_line_fn *fn, void *ctx,
                   struct err *e);

#endif
