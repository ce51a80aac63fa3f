/* SPDX-License-Identifier: MIT
 *
 * What packing to int8 is to do, in plain C: kernels/avx512vnni/segment.h.
 */
#ifndef TESTS_KERNELS_QUANTISED_H
#define TESTS_KERNELS_QUANTISED_H

#include <stddef.h>
#include <stdint.h>

enum { QUANTISED_DEPTHS = 128, QUANTISED_SEGMENTS = 4 };

/* A row or feature: bytes of whole segments, and their scales. */
struct quantised {
    size_t segments;
    float scale[QUANTISED_SEGMENTS];
    double lost[QUANTISED_SEGMENTS]; /* Σ(x/s)² of what is zero */
    int8_t q[QUANTISED_SEGMENTS][QUANTISED_DEPTHS];
};

/* Of x (d), at most QUANTISED_SEGMENTS segments. */
void quantise(struct quantised *out, const float *x, size_t d);
/* The numbers that it stands for: out (d). */
void quantised_floats(float *out, const struct quantised *x, size_t d);
/* begin + x·w, segment by segment as the product rounds. */
float quantised_product(float begin, const struct quantised *x,
                        const struct quantised *w);
/* Of a row with n features. */
double quantised_margin(const struct quantised *x, const struct quantised *w,
                        size_t n);

#endif
