/* SPDX-License-Identifier: MIT
 *
 * Loops over one contiguous row. Sums run in a fixed set of lanes, so that
 * the result is the same for every vector width a compiler chooses.
 */
#ifndef KERNELS_VECTOR_H
#define KERNELS_VECTOR_H

#include <stddef.h>

/* Σ a·b in 16 float lanes, added pairwise at the end. */
float vector_dot(const float *a, const float *b, size_t n);

/* Σ a·b and Σ a² with products and sums in double, in order. */
double vector_dot_double(const float *a, const float *b, size_t n);
double vector_square_double(const float *a, size_t n);

/* y += a·x */
void vector_add_scaled(float *y, float a, const float *x, size_t n);

/* out = x − b; out may be x. */
void vector_subtract(float *out, const float *x, const float *b, size_t n);

/* x *= a */
void vector_scale(float *x, float a, size_t n);

#endif
