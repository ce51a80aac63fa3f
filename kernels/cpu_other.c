/* SPDX-License-Identifier: MIT
 *
 * A processor for which there are only portable kernels.
 */
#include "kernels/kernels.h"

enum cpu_tier cpu_best(bool *refused)
{
    (void)refused;
    return CPU_PORTABLE;
}

void kernels_overlay(struct kernels *k, enum cpu_tier tier)
{
    (void)k;
    (void)tier;
}
