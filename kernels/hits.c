/* SPDX-License-Identifier: MIT */
#include "kernels/hits.h"

#include <stdlib.h>
#include <string.h>

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

/* Floats above zero are ordered as their bits: three digits, the highest first,
 * narrow the value down. */
enum { DIGITS = 3, DIGIT_BITS = 11, BINS = 1 << DIGIT_BITS };

static uint32_t key_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return value > 0 ? bits : 0;
}

/* Counts the next digit of all keys that begin with `prefix`; all do where
 * shift + DIGIT_BITS is the whole key. */
static void count_digit(size_t bins[BINS], const struct hits *list,
                        uint64_t prefix, int shift)
{
    for (size_t i = 0; i < list->n; i++) {
        uint64_t key = key_of(list->item[i].value);
        if (key >> (shift + DIGIT_BITS) == prefix)
            bins[key >> shift & (BINS - 1)]++;
    }
}

float hits_cut(const struct hits *lists, size_t n_lists, size_t want,
               size_t *ties)
{
    uint64_t prefix = 0;
    for (int digit = DIGITS - 1; digit >= 0; digit--) {
        int shift = digit * DIGIT_BITS;
        size_t bins[BINS] = {0}, bin = BINS - 1;
        for (size_t l = 0; l < n_lists; l++)
            count_digit(bins, &lists[l], prefix, shift);
        for (; bins[bin] < want; bin--)
            want -= bins[bin];
        prefix = prefix << DIGIT_BITS | bin;
    }
    *ties = want;
    uint32_t bits = (uint32_t)prefix;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
