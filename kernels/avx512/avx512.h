/* SPDX-License-Identifier: MIT
 *
 * The files of this tier, each filling its rows of the table.
 */
#ifndef KERNELS_AVX512_AVX512_H
#define KERNELS_AVX512_AVX512_H

#include "kernels/kernels.h"

void avx512_product(struct kernels *k);
void avx512_above(struct kernels *k);
void avx512_vector(struct kernels *k);
void avx512_adam(struct kernels *k);

#endif
