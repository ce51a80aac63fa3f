/* SPDX-License-Identifier: MIT */
#include "kernels/avx512/lanes.h"
#include "kernels/avx512/avx512.h"
#include "kernels/lanes/above.h"

void avx512_above(struct kernels *k)
{
    k->above = above;
}
