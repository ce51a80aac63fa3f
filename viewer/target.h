/* SPDX-License-Identifier: MIT
 *
 * What a request asks for: the target of its first line, "/path?key=value&...",
 * taken apart, and its parameters as numbers and texts. The bytes come from
 * anyone; what is decoded here is UTF-8 without NUL.
 *
 * Every getter removes nothing but remembers the name, so that target_finish
 * can refuse the parameters that nobody asked for.
 */
#ifndef VIEWER_TARGET_H
#define VIEWER_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { TARGET_PARAMETERS_MAX = 16 };

struct target_parameter {
    const char *name, *value; /* decoded, ended by zero */
    bool used;
};

struct target {
    const char *path; /* decoded, begins with '/' */
    struct target_parameter parameters[TARGET_PARAMETERS_MAX];
    size_t n;
    char *text; /* owns the strings */
};

/* ERR_INPUT: not such a target. Nothing to free after a failure. */
int target_parse(struct target *t, const char *raw, struct err *e);
void target_free(struct target *t);

bool target_has(const struct target *t, const char *name);

/* The value, or NULL if the parameter is not there. */
const char *target_text(struct target *t, const char *name);

/* A whole number in decimal from min to max; `fallback` if it is not there. */
int target_int(int64_t *out, struct target *t, const char *name, int64_t min,
               int64_t max, int64_t fallback, struct err *e);

/* A finite number from min to max. */
int target_real(double *out, struct target *t, const char *name, double min,
                double max, double fallback, struct err *e);

/* The index of the value in "one|two|three"; `fallback` if it is not there. */
int target_choice(int *out, struct target *t, const char *name,
                  const char *choices, int fallback, struct err *e);

/* ERR_INPUT if a parameter is there that no getter was asked for. */
int target_finish(const struct target *t, struct err *e);

#endif
