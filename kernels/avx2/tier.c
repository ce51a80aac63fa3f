/* SPDX-License-Identifier: MIT */
#include "kernels/avx2/avx2.h"

void kernels_avx2(struct kernels *k)
{
    avx2_product(k);
    avx2_above(k);
    avx2_vector(k);
    avx2_adam(k);
    avx2_convert(k);
}
