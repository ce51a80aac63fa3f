/* SPDX-License-Identifier: MIT */
#include "kernels/portable/portable.h"

static size_t above(struct hit *out, const float *tiles, size_t n,
                    size_t features, const struct above *a)
{
    size_t count = 0;
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < features; i++) {
            float h = tiles[r * features + i] + a->bias[i];
            if (!(h > a->floor[r]))
                continue;
            if (a->bound != NULL && !(h + a->slack[r] > a->bound[i]))
                continue;
            out[count++] = (struct hit){h, a->first_row + (uint32_t)r,
                                        a->first_feature + (uint32_t)i};
        }
    return count;
}

void portable_above(struct kernels *k)
{
    k->above = above;
}
