/* SPDX-License-Identifier: MIT */
#include "kernels/avx512/avx512.h"

void kernels_avx512(struct kernels *k)
{
    avx512_product(k);
    avx512_above(k);
    avx512_vector(k);
    avx512_adam(k);
}
