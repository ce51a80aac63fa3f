/* SPDX-License-Identifier: MIT
 *
 * The files of this tier, each filling its rows of the table. Plain C, and with
 * -ffp-contract=off the same bits from every compiler and processor.
 */
#ifndef KERNELS_PORTABLE_PORTABLE_H
#define KERNELS_PORTABLE_PORTABLE_H

#include "kernels/kernels.h"

void portable_product(struct kernels *k);
void portable_above(struct kernels *k);
void portable_vector(struct kernels *k);
void portable_rows(struct kernels *k);
void portable_adam(struct kernels *k);
void portable_convert(struct kernels *k);

/* Also dot_rows and dot_heads. */
float portable_dot(const float *a, const float *b, size_t n);

#endif
