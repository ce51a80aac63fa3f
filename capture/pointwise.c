/* SPDX-License-Identifier: MIT */
#include "capture/pointwise.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Partial results of a reduction: the compiler makes vectors of them, and the
 * order of the additions stays the same on every machine. */
enum { LANES = 16 };

/* e^-|x| within 2e-7 of its value, |x| cut off at 87, where the result is still
 * a normal number; NaN gives that smallest value too. -|x| = k ln 2 + r with k
 * whole and |r| <= ln 2 / 2; adding 1.5 · 2^23 rounds to a whole number and
 * leaves k in the low bits, from where it goes into the exponent. ln 2 is split
 * so that k · ln2_high is exact. The polynomial is the Taylor series to r^7,
 * whose rest is below 6e-9. Comparing the bits as whole numbers, which for
 * positive floats have the same order, is what compilers make vectors of. */
static inline float exp_minus_abs(float x)
{
    const float limit = 87.0f, log2_e = 1.44269504f, rounder = 12582912.0f;
    const float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
    int32_t bits, limit_bits, exponent;
    memcpy(&bits, &x, sizeof bits);
    memcpy(&limit_bits, &limit, sizeof limit_bits);
    bits &= INT32_MAX;
    bits = bits < limit_bits ? bits : limit_bits;
    memcpy(&x, &bits, sizeof x);
    float shifted = rounder - x * log2_e;
    float k = shifted - rounder;
    float r = (-x - k * ln2_high) - k * ln2_low;
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r * r + r + 1;
    memcpy(&exponent, &shifted, sizeof exponent);
    memcpy(&bits, &p, sizeof bits);
    bits += (int32_t)((uint32_t)exponent << 23);
    memcpy(&p, &bits, sizeof p);
    return p;
}

/* ---- activations ---- */

/* x/2 · (1 + tanh u), u = √(2/π) (x + 0.044715 x³), which is x · s(2u) with the
 * logistic function s. Written as max(x, 0) - |x| · s(-|2u|), it needs one
 * exponential, of a number that is never positive. */
static void gelu_new(float *x, size_t n)
{
    const float c = 1.5957691216057308f; /* 2 √(2/π) */
    for (size_t i = 0; i < n; i++) {
        float v = x[i], size = fabsf(v);
        float small = exp_minus_abs(c * (v + 0.044715f * v * v * v));
        x[i] = 0.5f * (v + size) - size * (small / (1 + small));
    }
}

static void gelu(float *x, size_t n)
{
    const float sqrt_half = 0.70710678118654752f;
    for (size_t i = 0; i < n; i++)
        x[i] *= 0.5f * (1 + erff(x[i] * sqrt_half));
}

static void relu(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = x[i] > 0 ? x[i] : 0;
}

void pointwise_activate(enum activation activation, float *x, size_t n)
{
    switch (activation) {
    case ACTIVATION_GELU_NEW:
        gelu_new(x, n);
        break;
    case ACTIVATION_GELU:
        gelu(x, n);
        break;
    case ACTIVATION_RELU:
        relu(x, n);
        break;
    }
}

/* ---- softmax ---- */

static float max_of(const float *x, size_t n)
{
    float lanes[LANES], max = x[0];
    size_t i = 0;
    for (int j = 0; j < LANES; j++)
        lanes[j] = x[0];
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lanes[j] =
                x[i + (size_t)j] > lanes[j] ? x[i + (size_t)j] : lanes[j];
    for (; i < n; i++)
        max = x[i] > max ? x[i] : max;
    for (int j = 0; j < LANES; j++)
        max = lanes[j] > max ? lanes[j] : max;
    return max;
}

static float sum_of(const float *x, size_t n)
{
    float lanes[LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lanes[j] += x[i + (size_t)j];
    for (; i < n; i++)
        sum += x[i];
    for (int j = 0; j < LANES; j++)
        sum += lanes[j];
    return sum;
}

void pointwise_softmax(float *x, size_t n)
{
    float max = max_of(x, n);
    for (size_t i = 0; i < n; i++) {
        float below = x[i] - max;
        /* The difference is 0, or NaN where the score is not finite: that must
         * not become a small number. */
        x[i] = exp_minus_abs(below) + (below - below);
    }
    float scale = 1 / sum_of(x, n);
    for (size_t i = 0; i < n; i++)
        x[i] *= scale;
}
