/* SPDX-License-Identifier: MIT */
#include "kernels/encoder.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

void encoder_scratch_free(struct encoder_scratch *s)
{
    free(s->tile);
    free(s->best);
    hits_free(&s->sorted);
    *s = (struct encoder_scratch){0};
}

static bool have_tile(struct encoder_scratch *s)
{
    if (s->tile == NULL)
        s->tile =
            aligned_alloc(64, sizeof(float) * ENCODER_ROWS * ENCODER_FEATURES);
    return s->tile != NULL;
}

/* tile (n, count) = x (n, d) · w[first..first+count)ᵀ + b */
static void product(const struct encoder *enc, float *tile, const float *x,
                    size_t n, size_t first, size_t count)
{
    for (size_t r = 0; r < n; r++)
        memcpy(tile + r * count, enc->b + first, count * sizeof *tile);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)count,
                (int)enc->d, 1.0f, x, (int)enc->d, enc->w + first * enc->d,
                (int)enc->d, 1.0f, tile, (int)count);
}

/* Hits are few: pieces of a row without one are passed over by a comparison
 * that vectorises. */
enum { PIECE = 16 };

static bool any_above(const float *h, float floor)
{
    int any = 0;
    for (size_t j = 0; j < PIECE; j++)
        any |= h[j] > floor;
    return any != 0;
}

/* Hits of one row of a tile; there is room for all. */
static size_t above_in_row(struct hit *out, const float *h, size_t count,
                           uint32_t row, size_t first, const float *bound,
                           float floor)
{
    size_t n = 0;
    for (size_t from = 0; from < count; from += PIECE) {
        size_t to = min_size(from + PIECE, count);
        if (to - from == PIECE && !any_above(h + from, floor))
            continue;
        for (size_t j = from; j < to; j++)
            if (h[j] > floor && (bound == NULL || h[j] > bound[first + j]))
                out[n++] = (struct hit){h[j], row, (uint32_t)(first + j)};
    }
    return n;
}

/* Brings hits from (tile, row, feature) into (row, feature) order: a stable
 * counting sort by row. */
static bool sort_by_row(struct hit *item, size_t n, uint32_t first_row,
                        struct encoder_scratch *s)
{
    s->sorted.n = 0;
    if (!hits_reserve(&s->sorted, n))
        return false;
    size_t at[ENCODER_ROWS + 1] = {0};
    for (size_t i = 0; i < n; i++)
        at[item[i].row - first_row + 1]++;
    for (size_t r = 0; r < ENCODER_ROWS; r++)
        at[r + 1] += at[r];
    for (size_t i = 0; i < n; i++)
        s->sorted.item[at[item[i].row - first_row]++] = item[i];
    memcpy(item, s->sorted.item, n * sizeof *item);
    return true;
}

bool encoder_above(const struct encoder *enc, struct hits *out, const float *x,
                   size_t n, uint32_t first_row, const float *bound,
                   float floor, struct encoder_scratch *s)
{
    if (!have_tile(s))
        return false;
    size_t begin = out->n;
    for (size_t f = 0; f < enc->m; f += ENCODER_FEATURES) {
        size_t count = min_size(ENCODER_FEATURES, enc->m - f);
        product(enc, s->tile, x, n, f, count);
        for (size_t r = 0; r < n; r++) {
            if (!hits_reserve(out, count))
                return false;
            out->n +=
                above_in_row(out->item + out->n, s->tile + r * count, count,
                             first_row + (uint32_t)r, f, bound, floor);
        }
    }
    return sort_by_row(out->item + begin, out->n - begin, first_row, s);
}

/* A row's candidates while its tiles pass: all h that beat `floor`, cut back
 * to the k best whenever the list is full. A later hit of equal value has a
 * higher feature and so ranks behind: `>` is exact. */
struct best {
    struct hit *item;
    size_t n;
    float floor;
};

static void best_add(struct best *b, struct hit hit, size_t k, size_t capacity)
{
    b->item[b->n++] = hit;
    if (b->n == capacity) {
        hits_select(b->item, b->n, k);
        b->n = k;
        b->floor = b->item[k - 1].value;
    }
}

static void best_add_row(struct best *b, const float *h, size_t count,
                         uint32_t row, size_t first, size_t k, size_t capacity)
{
    for (size_t from = 0; from < count; from += PIECE) {
        size_t to = min_size(from + PIECE, count);
        if (to - from == PIECE && !any_above(h + from, b->floor))
            continue;
        for (size_t j = from; j < to; j++)
            if (h[j] > b->floor)
                best_add(b, (struct hit){h[j], row, (uint32_t)(first + j)}, k,
                         capacity);
    }
}

static int by_feature(const void *a, const void *b)
{
    uint32_t x = ((const struct hit *)a)->feature;
    uint32_t y = ((const struct hit *)b)->feature;
    return (x > y) - (x < y);
}

/* Appends a row's k best in order of feature. */
static bool best_finish(struct best *b, size_t k, struct hits *out)
{
    if (b->n > k) {
        hits_select(b->item, b->n, k);
        b->n = k;
    }
    qsort(b->item, b->n, sizeof *b->item, by_feature);
    if (!hits_reserve(out, b->n))
        return false;
    memcpy(out->item + out->n, b->item, b->n * sizeof *b->item);
    out->n += b->n;
    return true;
}

static bool have_best(struct encoder_scratch *s, size_t capacity)
{
    if (s->best_capacity >= capacity)
        return true;
    struct hit *best = realloc(s->best, capacity * ENCODER_ROWS * sizeof *best);
    if (best == NULL)
        return false;
    s->best = best;
    s->best_capacity = capacity;
    return true;
}

bool encoder_largest(const struct encoder *enc, struct hits *out,
                     const float *x, size_t n, uint32_t first_row, size_t k,
                     struct encoder_scratch *s)
{
    /* Room for as many again as are kept makes the cuts rare: each costs O(k)
     * and is paid for by at least k additions. */
    size_t capacity = 2 * k + 64;
    if (!have_tile(s) || !have_best(s, capacity))
        return false;
    struct best best[ENCODER_ROWS];
    for (size_t r = 0; r < n; r++)
        best[r] = (struct best){.item = s->best + r * capacity};
    for (size_t f = 0; f < enc->m; f += ENCODER_FEATURES) {
        size_t count = min_size(ENCODER_FEATURES, enc->m - f);
        product(enc, s->tile, x, n, f, count);
        for (size_t r = 0; r < n; r++)
            best_add_row(&best[r], s->tile + r * count, count,
                         first_row + (uint32_t)r, f, k, capacity);
    }
    for (size_t r = 0; r < n; r++)
        if (!best_finish(&best[r], k, out))
            return false;
    return true;
}
