/* SPDX-License-Identifier: MIT */
#include "kernels/vector.h"

enum { LANES = 16 };

float vector_dot(const float *a, const float *b, size_t n)
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

double vector_dot_double(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

double vector_square_double(const float *a, size_t n)
{
    return vector_dot_double(a, a, n);
}

void vector_add_scaled(float *y, float a, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

void vector_subtract(float *out, const float *x, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] - b[i];
}

void vector_scale(float *x, float a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= a;
}
