/* SPDX-License-Identifier: MIT */
#include "kernels/portable/portable.h"

void kernels_portable(struct kernels *k)
{
    portable_product(k);
    portable_above(k);
    portable_vector(k);
    portable_rows(k);
    portable_adam(k);
    portable_convert(k);
}
