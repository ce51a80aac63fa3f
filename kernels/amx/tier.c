/* SPDX-License-Identifier: MIT */
#include "kernels/amx/amx.h"

void kernels_amx(struct kernels *k)
{
    amx_product(k);
}
