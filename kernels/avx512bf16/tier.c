/* SPDX-License-Identifier: MIT */
#include "kernels/avx512bf16/avx512bf16.h"

void kernels_avx512bf16(struct kernels *k)
{
    avx512bf16_convert(k);
}
