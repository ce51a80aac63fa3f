/* SPDX-License-Identifier: MIT
 *
 * Nested prefixes of the features (Matryoshka SAEs, Bussmann et al. 2025):
 * prefix g is features [0, end[g]), the last being all; group g is what prefix
 * g has beyond prefix g − 1.
 */
#ifndef TRAIN_GROUPS_H
#define TRAIN_GROUPS_H

#include <stddef.h>

#include "base/err.h"

/* A prefix costs (n, d) numbers in a step. */
enum { GROUPS_MAX = 16 };

struct groups {
    size_t n;               /* 0: no prefixes, which is one group of all */
    size_t end[GROUPS_MAX]; /* ascending, the last being m */
};

/* Those of the paper's Gemma SAEs: 2048, 6144, 14336, 30720 of 65536. */
#define GROUPS_DEFAULT "1/32,3/32,7/32,15/32"

/* Reads prefix sizes of m features: counts ("2048", "2k") or shares ("1/32",
 * "0.25"), ascending, separated by commas. The last, m, may be left out. */
int groups_parse(struct groups *g, const char *text, size_t m, struct err *e);

/* The group of feature i; 0 where there are no prefixes. */
size_t groups_of(const struct groups *g, size_t i);

#endif
