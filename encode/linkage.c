/* SPDX-License-Identifier: MIT */
#include "encode/linkage.h"

#include <stdbool.h>

/* The most related pair of groups a < b, groups being known by their first
 * thing; false if there is none with at least the bound. */
static bool find_pair(size_t *a, size_t *b, const size_t *group,
                      const double *relation, size_t n, double bound)
{
    bool found = false;
    double most = bound;
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; group[i] == i && k < n; k++) {
            double r = relation[i * n + k];
            if (group[k] != k || r < most || (found && r == most))
                continue;
            found = true;
            most = r;
            *a = i;
            *b = k;
        }
    return found;
}

static size_t size_of(const size_t *group, size_t n, size_t first)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++)
        size += group[i] == first;
    return size;
}

void linkage(size_t *group, double *relation, size_t n, double bound)
{
    size_t a, b;
    for (size_t i = 0; i < n; i++)
        group[i] = i;
    while (find_pair(&a, &b, group, relation, n, bound)) {
        double of_a = (double)size_of(group, n, a);
        double of_b = (double)size_of(group, n, b);
        for (size_t i = 0; i < n; i++) {
            double mean =
                (of_a * relation[a * n + i] + of_b * relation[b * n + i]) /
                (of_a + of_b);
            relation[a * n + i] = relation[i * n + a] = mean;
            if (group[i] == b)
                group[i] = a;
        }
    }
}
