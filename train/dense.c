/* SPDX-License-Identifier: MIT */
#include "train/dense.h"

#include <cblas.h>
#include <string.h>

#include "base/least.h"

/* Of one of so many entries on (docs/performance.md). */
enum { SHARE = 5 };

bool dense_pays(size_t entries, size_t lists, size_t universe)
{
    return entries > lists * universe / SHARE;
}

/* Where each list's entries of this slab begin; they end where those of the
 * next begin. */
static void begin(const struct dense_lists *t, size_t at[DENSE_LISTS])
{
    memcpy(at, t->start, t->count * sizeof *at);
}

void dense_add(const struct dense_lists *t, float *out, const float *value,
               float *tile)
{
    size_t at[DENSE_LISTS];
    begin(t, at);
    for (size_t first = 0; first < t->universe; first += DENSE_SLAB) {
        size_t width = least(DENSE_SLAB, t->universe - first);
        memset(tile, 0, t->count * width * sizeof *tile);
        for (size_t l = 0; l < t->count; l++)
            for (; at[l] < t->start[l + 1] && t->index[at[l]] < first + width;
                 at[l]++)
                tile[l * width + t->index[at[l]] - first] = value[at[l]];
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)t->count,
                    (int)t->d, (int)width, 1, tile, (int)width,
                    t->w + first * t->d, (int)t->d, 1, out, (int)t->d);
    }
}

void dense_dot(const struct dense_lists *t, float *out, const float *x,
               float *tile)
{
    size_t at[DENSE_LISTS];
    begin(t, at);
    for (size_t first = 0; first < t->universe; first += DENSE_SLAB) {
        size_t width = least(DENSE_SLAB, t->universe - first);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)t->count,
                    (int)width, (int)t->d, 1, x, (int)t->d, t->w + first * t->d,
                    (int)t->d, 0, tile, (int)width);
        for (size_t l = 0; l < t->count; l++)
            for (; at[l] < t->start[l + 1] && t->index[at[l]] < first + width;
                 at[l]++)
                out[at[l]] = tile[l * width + t->index[at[l]] - first];
    }
}
