/* SPDX-License-Identifier: MIT
 *
 * The files of this tier, each filling its rows of the table.
 */
#ifndef KERNELS_AVX2_AVX2_H
#define KERNELS_AVX2_AVX2_H

#include "kernels/kernels.h"

void avx2_product(struct kernels *k);
void avx2_above(struct kernels *k);
void avx2_vector(struct kernels *k);
void avx2_adam(struct kernels *k);
void avx2_convert(struct kernels *k);

#endif
