/* SPDX-License-Identifier: MIT */
#include "viewer/ranked.h"

#include <math.h>
#include <stdlib.h>

static int ascending(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    if (isnan(a->key) != isnan(b->key))
        return isnan(a->key) ? 1 : -1;
    if (a->key != b->key && !isnan(a->key))
        return a->key < b->key ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

static int descending(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    if (isnan(a->key) != isnan(b->key))
        return isnan(a->key) ? 1 : -1;
    return ascending(right, left);
}

typedef int (*compare)(const void *left, const void *right);

static void swap(struct ranked *a, struct ranked *b)
{
    struct ranked kept = *a;
    *a = *b;
    *b = kept;
}

/* Parts them by the one in the middle; returns how many are in the first part,
 * of which none comes after one of the second (Hoare 1961). */
static size_t part(struct ranked *all, size_t n, compare before)
{
    struct ranked pivot = all[n / 2];
    size_t i = 0, j = n - 1;
    for (;;) {
        while (before(&all[i], &pivot) < 0)
            i++;
        while (before(&pivot, &all[j]) < 0)
            j--;
        if (i >= j)
            return i > j ? i : i + 1;
        swap(&all[i++], &all[j--]);
    }
}

/* Nothing before place k comes after it from here on. Keys that were contrived
 * to be parted badly end in a sort. */
static void select_place(struct ranked *all, size_t n, size_t k, compare before)
{
    for (int rounds = 64; n > 32 && rounds > 0; rounds--) {
        size_t first = part(all, n, before);
        if (k < first) {
            n = first;
            continue;
        }
        all += first;
        n -= first;
        k -= first;
    }
    qsort(all, n, sizeof *all, before);
}

void ranked_sort(struct ranked *all, size_t n, size_t from, size_t to,
                 bool falling)
{
    compare before = falling ? descending : ascending;
    if (from > 0 && from < n)
        select_place(all, n, from, before);
    if (to < n)
        select_place(all + from, n - from, to - from, before);
    qsort(all + from, to - from, sizeof *all, before);
}

bool ranked_before(const struct ranked *a, const struct ranked *b, bool falling)
{
    return (falling ? descending : ascending)(a, b) < 0;
}
