/* SPDX-License-Identifier: MIT
 *
 * Files of JSON lines: an object on each line, blank lines passed over.
 */
#ifndef BASE_JSON_LINES_H
#define BASE_JSON_LINES_H

#include "base/json.h"
#include "base/map.h"

struct json_lines {
    const char *path;
    struct map map;
    size_t at;       /* bytes read */
    size_t line;     /* number of the last one, from 1 */
    json_t *object;  /* of the last one, until the next; borrowed */
    char where[512]; /* "FILE: line 7" */
};

/* Keeps `path`. */
int json_lines_open(struct json_lines *l, const char *path, struct err *e);
/* Reads the next object; *more is false at the end. Bytes that are no UTF-8,
 * what is no JSON object, and a key that comes twice are errors with file and
 * line. */
int json_lines_next(struct json_lines *l, bool *more, struct err *e);
void json_lines_close(struct json_lines *l);

#endif
