/* SPDX-License-Identifier: MIT
 *
 * JSON files through jansson, with the checks that every reader of ours needs.
 * The getters name file and key in their errors, so a caller only states what
 * it wants. `where` is the file (or "file: object") for messages.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Reads a file into *root (the caller's json_decref). Duplicate keys are
 * refused. */
int json_read(json_t **root, const char *path, struct err *e);

/* Writes a file, indented, keys in insertion order, newline at the end. Not
 * atomic: for files inside an output folder. */
int json_write(const char *path, const json_t *root, struct err *e);

/* A number, or null where it is not finite, which JSON cannot hold. NULL
 * without memory. */
json_t *json_figure(double value);

/* Required members of an object. Borrowed results. */
int json_need(json_t **out, const json_t *object, const char *key,
              json_type type, const char *where, struct err *e);
int json_need_int(int64_t *out, const json_t *object, const char *key,
                  int64_t min, int64_t max, const char *where, struct err *e);
int json_need_string(const char **out, const json_t *object, const char *key,
                     const char *where, struct err *e);
int json_need_bool(bool *out, const json_t *object, const char *key,
                   const char *where, struct err *e);

/* Optional members: absent or null gives `fallback`; another type is an error.
 */
int json_get_int(int64_t *out, const json_t *object, const char *key,
                 int64_t min, int64_t max, int64_t fallback, const char *where,
                 struct err *e);
int json_get_real(double *out, const json_t *object, const char *key,
                  double fallback, const char *where, struct err *e);
int json_get_string(const char **out, const json_t *object, const char *key,
                    const char *fallback, const char *where, struct err *e);
int json_get_bool(bool *out, const json_t *object, const char *key,
                  bool fallback, const char *where, struct err *e);

#endif
