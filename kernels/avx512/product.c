/* SPDX-License-Identifier: MIT
 *
 * 14 rows by 32 features: 28 of 32 registers are sums, two hold the panel, one
 * the row's number.
 */
#include "kernels/avx512/lanes.h"
#include "kernels/avx512/transpose.h"
#include "kernels/avx512/avx512.h"

enum { TILE_ROWS = 14 };
#include "kernels/lanes/product.h"

void avx512_product(struct kernels *k)
{
    k->exact = exact_product();
}
