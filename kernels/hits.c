/* SPDX-License-Identifier: MIT */
#include "kernels/hits.h"

#include <stdlib.h>

bool hits_reserve(struct hits *h, size_t more)
{
    size_t need = h->n + more;
    if (need <= h->capacity && h->item != NULL)
        return true;
    size_t capacity = h->capacity + h->capacity / 2 + 64;
    if (capacity < need)
        capacity = need;
    struct hit *item = realloc(h->item, capacity * sizeof *item);
    if (item == NULL)
        return false;
    h->item = item;
    h->capacity = capacity;
    return true;
}

void hits_free(struct hits *h)
{
    free(h->item);
    *h = (struct hits){0};
}

bool hit_before(const struct hit *a, const struct hit *b)
{
    if (a->value != b->value)
        return a->value > b->value;
    if (a->row != b->row)
        return a->row < b->row;
    return a->feature < b->feature;
}

static void swap(struct hit *a, struct hit *b)
{
    struct hit t = *a;
    *a = *b;
    *b = t;
}

/* Puts the median of three into item[0], where partition takes its pivot. */
static void pivot_to_front(struct hit *item, size_t n)
{
    struct hit *a = &item[0], *b = &item[n / 2], *c = &item[n - 1];
    if (hit_before(b, a))
        swap(a, b);
    if (hit_before(c, b))
        swap(b, c);
    if (hit_before(b, a))
        swap(a, b);
    swap(a, b);
}

/* Splits around item[0]; returns where it ends up: before it what ranks
 * earlier, behind it what ranks later. */
static size_t partition(struct hit *item, size_t n)
{
    const struct hit pivot = item[0];
    size_t i = 0, j = n;
    for (;;) {
        do
            i++;
        while (i < n && hit_before(&item[i], &pivot));
        do
            j--;
        while (hit_before(&pivot, &item[j]));
        if (i >= j)
            break;
        swap(&item[i], &item[j]);
    }
    swap(&item[0], &item[j]);
    return j;
}

void hits_select(struct hit *item, size_t n, size_t k)
{
    while (n > 1) {
        pivot_to_front(item, n);
        size_t at = partition(item, n);
        if (at == k - 1)
            return;
        if (at > k - 1) {
            n = at;
        } else {
            item += at + 1;
            n -= at + 1;
            k -= at + 1;
        }
    }
}
