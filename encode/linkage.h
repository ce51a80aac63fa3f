/* SPDX-License-Identifier: MIT
 *
 * Average linkage (Sokal & Michener 1958): things that are pairwise more or
 * less related, divided into groups. Each begins as a group of its own; the two
 * groups with the largest mean relation over all pairs between them are joined,
 * the first of equals, as long as that is at least `bound`.
 */
#ifndef ENCODE_LINKAGE_H
#define ENCODE_LINKAGE_H

#include <stddef.h>

/* relation (n, n), symmetric; its diagonal is not looked at; it is overwritten.
 * group[i] (n) becomes the first thing of i's group, n at most UINT16_MAX.
 * Cost: n^3 comparisons at most. */
void linkage(size_t *group, double *relation, size_t n, double bound);

#endif
