/* SPDX-License-Identifier: MIT
 *
 * The files of this tier, each filling its rows of the table.
 */
#ifndef KERNELS_AVX512BF16_AVX512BF16_H
#define KERNELS_AVX512BF16_AVX512BF16_H

#include "kernels/kernels.h"

void avx512bf16_convert(struct kernels *k);

#endif
