/* SPDX-License-Identifier: MIT
 *
 * JSON Lines: an object on each line, one field of which is a document, and
 * another, if asked for, the name of its group. Blank lines are passed over.
 */
#ifndef CAPTURE_JSONL_H
#define CAPTURE_JSONL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/map.h"

struct jsonl_fields {
    const char *text;
    const char *group; /* NULL: not asked for */
};

struct jsonl {
    const char *path;
    struct jsonl_fields fields;
    struct map map;
    size_t at;   /* bytes read */
    size_t line; /* number of the last one, from 1 */
    json_t *row;
    /* Of the last row, until the next: */
    const char *text;
    size_t size;
    const char *group; /* NULL: null, or not asked for */
    char where[512];   /* "FILE: line 7" */
    char spelt[64];    /* a group that is no string */
};

/* Keeps `path` and what `fields` points to. */
int jsonl_open(struct jsonl *j, const char *path,
               const struct jsonl_fields *fields, struct err *e);
/* Reads the next row; *more is false at the end. Bytes that are no UTF-8, what
 * is no JSON object, and fields that are missing or no strings are errors with
 * file and line; a group may be a number, true or false too, or null for
 * none. */
int jsonl_next(struct jsonl *j, bool *more, struct err *e);
void jsonl_close(struct jsonl *j);

#endif
