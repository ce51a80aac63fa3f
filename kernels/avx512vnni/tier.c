/* SPDX-License-Identifier: MIT */
#include "kernels/avx512vnni/avx512vnni.h"

void kernels_avx512vnni(struct kernels *k)
{
    avx512vnni_product(k);
}
