/* SPDX-License-Identifier: MIT */
#include "kernels/portable/portable.h"

static void add_rows(float *y, const float *w, const uint32_t *index,
                     const float *value, size_t count, size_t d)
{
    for (size_t i = 0; i < count; i++) {
        const float *row = w + index[i] * d;
        for (size_t j = 0; j < d; j++)
            y[j] += value[i] * row[j];
    }
}

static void dot_rows(float *out, const float *x, const float *w,
                     const uint32_t *index, size_t count, size_t d)
{
    for (size_t i = 0; i < count; i++)
        out[i] = portable_dot(x, w + index[i] * d, d);
}

static void dot_heads(float *out, const float *z, const float *w, size_t heads,
                      size_t d_head)
{
    for (size_t h = 0; h < heads; h++)
        out[h] = portable_dot(z + h * d_head, w + h * d_head, d_head);
}

void portable_rows(struct kernels *k)
{
    k->add_rows = add_rows;
    k->dot_rows = dot_rows;
    k->dot_heads = dot_heads;
}
