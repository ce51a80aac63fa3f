/* SPDX-License-Identifier: MIT
 *
 * 6 rows by 16 features: 12 of 16 registers are sums, two hold the panel, one
 * the row's number.
 */
#include "kernels/avx2/lanes.h"
#include "kernels/avx2/transpose.h"
#include "kernels/avx2/avx2.h"

enum { TILE_ROWS = 6 };
#include "kernels/lanes/product.h"

void avx2_product(struct kernels *k)
{
    k->exact = exact_product();
}
