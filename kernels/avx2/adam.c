/* SPDX-License-Identifier: MIT */
#include "kernels/avx2/lanes.h"
#include "kernels/avx2/avx2.h"
#include "kernels/lanes/adam.h"

void avx2_adam(struct kernels *k)
{
    k->adam = adam;
}
