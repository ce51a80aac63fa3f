/* SPDX-License-Identifier: MIT
 *
 * Loops over one contiguous row. Sums run in a fixed set of lanes, which a
 * compiler turns into vectors of any width without changing them.
 */
#include "kernels/portable/portable.h"

enum { LANES = 16, LANES_DOUBLE = 8 };

float portable_dot(const float *a, const float *b, size_t n)
{
    float lane[LANES] = {0};
    size_t whole = n / LANES * LANES;
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lane[j] += a[i + j] * b[i + j];
    for (size_t i = whole; i < n; i++)
        lane[i - whole] += a[i] * b[i];
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t j = 0; j < half; j++)
            lane[j] += lane[j + half];
    return lane[0];
}

static double sum_lanes(double *lane)
{
    for (size_t half = LANES_DOUBLE / 2; half > 0; half /= 2)
        for (size_t j = 0; j < half; j++)
            lane[j] += lane[j + half];
    return lane[0];
}

static double dot_double(const float *a, const float *b, size_t n)
{
    double lane[LANES_DOUBLE] = {0};
    size_t whole = n / LANES_DOUBLE * LANES_DOUBLE;
    for (size_t i = 0; i < whole; i += LANES_DOUBLE)
        for (size_t j = 0; j < LANES_DOUBLE; j++)
            lane[j] += (double)a[i + j] * (double)b[i + j];
    for (size_t i = whole; i < n; i++)
        lane[i - whole] += (double)a[i] * (double)b[i];
    return sum_lanes(lane);
}

static void add_scaled(float *y, float a, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

static void subtract(float *out, const float *x, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] - b[i];
}

static void scale(float *x, float a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= a;
}

void portable_vector(struct kernels *k)
{
    k->dot = portable_dot;
    k->dot_double = dot_double;
    k->add_scaled = add_scaled;
    k->subtract = subtract;
    k->scale = scale;
}
