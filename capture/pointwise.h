/* SPDX-License-Identifier: MIT
 *
 * The functions of a transformer that are no matrix products: softmax and the
 * MLP's activation. They share an exponential of our own, in plain arithmetic
 * that compilers turn into vectors: several times faster than expf, and the
 * same bits whatever the C library.
 */
#ifndef CAPTURE_POINTWISE_H
#define CAPTURE_POINTWISE_H

#include <stddef.h>

enum activation { ACTIVATION_GELU_NEW, ACTIVATION_GELU, ACTIVATION_RELU };

/* x[0, n) through the activation, in place. */
void pointwise_activate(enum activation activation, float *x, size_t n);

/* x[0, n) becomes exp(x) / sum of exp(x); n > 0. */
void pointwise_softmax(float *x, size_t n);

#endif
