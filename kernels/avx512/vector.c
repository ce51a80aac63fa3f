/* SPDX-License-Identifier: MIT */
#include "kernels/avx512/lanes.h"
#include "kernels/avx512/avx512.h"
#include "kernels/lanes/vector.h"

void avx512_vector(struct kernels *k)
{
    fill_vector(k);
}
