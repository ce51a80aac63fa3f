/* SPDX-License-Identifier: MIT
 *
 * The files of this tier, each filling its rows of the table.
 */
#ifndef KERNELS_AVX512VNNI_AVX512VNNI_H
#define KERNELS_AVX512VNNI_AVX512VNNI_H

#include "kernels/kernels.h"

void avx512vnni_product(struct kernels *k);

#endif
