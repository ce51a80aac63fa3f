/* SPDX-License-Identifier: MIT
 *
 * A page out of many rows: only what it shows is brought into order, in time
 * proportional to the number of rows.
 */
#ifndef VIEWER_RANKED_H
#define VIEWER_RANKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ranked {
    double key;     /* NaN: not known, last in either direction */
    uint32_t place; /* what it is the key of; decides between equal keys */
};

/* Whether a comes before b. */
bool ranked_before(const struct ranked *a, const struct ranked *b,
                   bool falling);

/* Puts at [from, to) what a sort of all n would put there. */
void ranked_sort(struct ranked *all, size_t n, size_t from, size_t to,
                 bool falling);

#endif
