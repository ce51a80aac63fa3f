/* SPDX-License-Identifier: MIT */
#include "kernels/avx512/lanes.h"
#include "kernels/avx512/avx512.h"
#include "kernels/lanes/adam.h"

void avx512_adam(struct kernels *k)
{
    k->adam = adam;
}
