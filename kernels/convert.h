/* SPDX-License-Identifier: MIT
 *
 * Between f32 and the two half-width formats of activation files. Rounding is
 * to nearest even; what is too large becomes an infinity. Narrowing to bf16
 * turns subnormals into signed zeros, as VCVTNEPS2BF16 does, and NaNs are kept
 * as quiet NaNs, as VCVTPH2PS and VCVTPS2PH do, so that every tier gives the
 * same bits. Sources may be unaligned; n may be 0.
 */
#ifndef KERNELS_CONVERT_H
#define KERNELS_CONVERT_H

#include <stddef.h>
#include <stdint.h>

void convert_f16_to_f32(float *out, const void *in, size_t n);
void convert_bf16_to_f32(float *out, const void *in, size_t n);
void convert_f32_to_f16(uint16_t *out, const float *in, size_t n);
void convert_f32_to_bf16(uint16_t *out, const float *in, size_t n);

/* Index of the first value that is NaN or infinite; n if all are finite. */
size_t convert_first_not_finite(const float *x, size_t n);

#endif
