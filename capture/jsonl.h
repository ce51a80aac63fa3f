/* SPDX-License-Identifier: MIT
 *
 * Documents in JSON Lines: one field of each object is a document, and another,
 * if asked for, the name of its group.
 */
#ifndef CAPTURE_JSONL_H
#define CAPTURE_JSONL_H

#include "base/json_lines.h"

struct jsonl_fields {
    const char *text;
    const char *group; /* NULL: not asked for */
};

struct jsonl {
    struct json_lines lines;
    struct jsonl_fields fields;
    /* Of the last row, until the next: */
    const char *text;
    size_t size;
    const char *group; /* NULL: null, or not asked for */
    char spelt[64];    /* a group that is no string */
};

/* Keeps `path` and what `fields` points to. */
int jsonl_open(struct jsonl *j, const char *path,
               const struct jsonl_fields *fields, struct err *e);
/* Reads the next row; *more is false at the end. Beside what is no JSON object,
 * fields that are missing or no strings are errors with
 * file and line; a group may be a number, true or false too, or null for
 * none. */
int jsonl_next(struct jsonl *j, bool *more, struct err *e);
void jsonl_close(struct jsonl *j);

#endif
