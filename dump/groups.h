/* SPDX-License-Identifier: MIT
 *
 * Groups of contexts: their numbers in .npy, their names in the manifest, and
 * the rules that both keep.
 */
#ifndef DUMP_GROUPS_H
#define DUMP_GROUPS_H

#include <jansson.h>

#include "base/arena.h"
#include "dump/dump.h"

/* The numbers of a file with one axis, i32 or i64. */
int groups_read(int32_t **of_context, uint64_t *n, struct arena *a,
                const char *path, struct err *e);

/* The array "groups" of a manifest, checked as below. */
int groups_read_names(char ***names, size_t *n, struct arena *a,
                      const json_t *root, const char *path, struct err *e);
/* That array; NULL without memory. */
json_t *groups_names_json(char *const *names, size_t n);

/* 1 to DUMP_GROUPS_MAX names, UTF-8, none empty, no two the same. */
int groups_check_names(char *const *names, size_t n, const char *where,
                       struct err *e);

/* There must be a number for each context, -1 or a group's: n of them. */
int groups_check(const struct dump_groups *g, uint64_t n, uint64_t contexts,
                 const char *where, struct err *e);

#endif
