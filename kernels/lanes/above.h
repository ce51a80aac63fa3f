/* SPDX-License-Identifier: MIT
 *
 * Template: the comparison of tiles for the registers of the lanes.h that is
 * included before, which has lanes_above. Hits are few: a register without one
 * costs a load, an addition, a comparison and a branch that is not taken.
 */
#ifndef KERNELS_LANES_ABOVE_H
#define KERNELS_LANES_ABOVE_H

#include "kernels/kernels.h"

/* Appends the lanes whose bit is set. */
static inline size_t put_hits(struct hit *out, lanes h, uint32_t set,
                              uint32_t row, uint32_t feature)
{
    float value[LANES];
    size_t n = 0;
    lanes_store(value, h);
    for (; set != 0; set &= set - 1) {
        uint32_t lane = (uint32_t)__builtin_ctz(set);
        out[n++] = (struct hit){value[lane], row, feature + lane};
    }
    return n;
}

static inline size_t above_in_row(struct hit *out, const float *tile,
                                  size_t features, const struct above *a,
                                  uint32_t r)
{
    const lanes floor = lanes_set(a->floor[r]);
    const uint32_t row = a->first_row + r;
    size_t n = 0;
    for (size_t i = 0; i < features; i += LANES) {
        size_t left = features - i;
        uint32_t all = left < LANES ? (1u << left) - 1 : (1u << LANES) - 1;
        lanes h, bound = lanes_zero();
        if (left >= LANES)
            h = lanes_add(lanes_load(tile + i), lanes_load(a->bias + i));
        else
            h = lanes_add(lanes_load_first(tile + i, left),
                          lanes_load_first(a->bias + i, left));
        uint32_t set = lanes_above(h, floor) & all;
        if (set == 0)
            continue;
        if (a->bound != NULL) {
            bound = left >= LANES ? lanes_load(a->bound + i)
                                  : lanes_load_first(a->bound + i, left);
            lanes raised = lanes_add(h, lanes_set(a->slack[r]));
            set &= lanes_above(raised, bound);
        }
        n += put_hits(out + n, h, set, row, a->first_feature + (uint32_t)i);
    }
    return n;
}

static size_t above(struct hit *out, const float *tiles, size_t n,
                    size_t features, const struct above *a)
{
    size_t count = 0;
    for (size_t r = 0; r < n; r++)
        count += above_in_row(out + count, tiles + r * features, features, a,
                              (uint32_t)r);
    return count;
}

#endif
