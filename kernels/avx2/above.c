/* SPDX-License-Identifier: MIT */
#include "kernels/avx2/lanes.h"
#include "kernels/avx2/avx2.h"
#include "kernels/lanes/above.h"

void avx2_above(struct kernels *k)
{
    k->above = above;
}
