/* SPDX-License-Identifier: MIT
 *
 * The files of this tier, each filling its rows of the table.
 */
#ifndef KERNELS_AMX_AMX_H
#define KERNELS_AMX_AMX_H

#include "kernels/kernels.h"

void amx_product(struct kernels *k);

#endif
