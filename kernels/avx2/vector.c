/* SPDX-License-Identifier: MIT */
#include "kernels/avx2/lanes.h"
#include "kernels/avx2/avx2.h"
#include "kernels/lanes/vector.h"

void avx2_vector(struct kernels *k)
{
    fill_vector(k);
}
