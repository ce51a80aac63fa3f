/* SPDX-License-Identifier: MIT
 *
 * Products with lists of codes, by OpenBLAS on small dense tiles: for the start
 * of a training in which codes are not sparse yet (ReLU begins with half of all
 * features active). A block of lists is laid out over a slab of what they
 * index, multiplied, and the next slab added to it. Blocks and slabs have fixed
 * sizes and OpenBLAS runs on one thread, so results do not depend on the number
 * of threads; they differ from those of the sparse loops by rounding, as sums
 * run in another order.
 *
 * A tile costs the same whatever it holds, the sparse loops as much as there
 * is: dense_pays says where the former is less (measured, docs/performance.md).
 */
#ifndef TRAIN_DENSE_H
#define TRAIN_DENSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DENSE_LISTS = 64, DENSE_SLAB = 512 };
/* Floats of a tile, a thread's scratch. */
enum { DENSE_TILE = DENSE_LISTS * DENSE_SLAB };

/* `count` <= DENSE_LISTS lists from the first on: list l has the entries
 * [start[l], start[l + 1]), which name rows of w (universe, d) in ascending
 * order. */
struct dense_lists {
    const size_t *start;
    const uint32_t *index;
    size_t count, universe;
    const float *w; /* (universe, d) */
    size_t d;
};

/* Whether `entries` of lists × universe are so many that tiles are faster. */
bool dense_pays(size_t entries, size_t lists, size_t universe);

/* out (count, d) += Σ value[entry]·w[index[entry]], list by list. */
void dense_add(const struct dense_lists *t, float *out, const float *value,
               float *tile);
/* out[entry] = ⟨x[list], w[index[entry]]⟩ with x (count, d). */
void dense_dot(const struct dense_lists *t, float *out, const float *x,
               float *tile);

#endif
