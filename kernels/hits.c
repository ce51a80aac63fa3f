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

void ranking_free(struct ranking *r)
{
    free(r->value);
    *r = (struct ranking){0};
}

static bool ranking_reserve(struct ranking *r, size_t n)
{
    if (n <= r->capacity)
        return true;
    ranking_free(r);
    r->value = malloc(2 * 2 * n * sizeof *r->value);
    if (r->value == NULL)
        return false;
    r->capacity = 2 * n;
    return true;
}

static float middle(float a, float b, float c)
{
    float low = a < b ? a : b, high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

bool hits_kth(float *kth, const struct hit *item, size_t n, size_t k,
              struct ranking *r)
{
    if (!ranking_reserve(r, n))
        return false;
    float *value = r->value, *spare = r->value + r->capacity;
    for (size_t i = 0; i < n; i++)
        value[i] = item[i].value;
    for (;;) {
        float pivot = middle(value[0], value[n / 2], value[n - 1]);
        /* What is above goes to spare, what is below to the front. */
        size_t above = 0, below = 0;
        for (size_t i = 0; i < n; i++) {
            float x = value[i];
            spare[above] = x;
            above += x > pivot;
            value[below] = x;
            below += x < pivot;
        }
        if (k <= above) {
            float *other = value;
            value = spare;
            spare = other;
            n = above;
        } else if (k > n - below) {
            k -= n - below;
            n = below;
        } else {
            *kth = pivot;
            return true;
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

/* The lists are counted in so many parts side by side, each with its own bins:
 * counts add up to the same in any order. */
enum { PARTS = 16 };

struct counting {
    const struct hits *lists;
    size_t n_lists;
    uint64_t prefix; /* of the keys that count; 0 for the highest digit */
    int shift;
    uint32_t bins[PARTS][BINS];
};

static void count_part(void *ctx, size_t part, int thread)
{
    (void)thread;
    struct counting *c = ctx;
    uint32_t *bins = c->bins[part];
    memset(bins, 0, sizeof c->bins[part]);
    size_t end = c->n_lists * (part + 1) / PARTS;
    for (size_t l = c->n_lists * part / PARTS; l < end; l++)
        for (size_t i = 0; i < c->lists[l].n; i++) {
            uint64_t key = key_of(c->lists[l].item[i].value);
            if (key >> (c->shift + DIGIT_BITS) == c->prefix)
                bins[key >> c->shift & (BINS - 1)]++;
        }
}

/* The bin of the want-th largest; *want becomes its rank in there. */
static size_t find_bin(const struct counting *c, size_t *want)
{
    for (size_t bin = BINS; bin-- > 0;) {
        size_t count = 0;
        for (size_t part = 0; part < PARTS; part++)
            count += c->bins[part][bin];
        if (count >= *want)
            return bin;
        *want -= count;
    }
    return 0;
}

float hits_cut(const struct hits *lists, size_t n_lists, size_t want,
               size_t *ties, const struct team *team)
{
    struct counting c = {.lists = lists, .n_lists = n_lists};
    for (int digit = DIGITS - 1; digit >= 0; digit--) {
        c.shift = digit * DIGIT_BITS;
        team_run(team, count_part, &c, PARTS);
        c.prefix = c.prefix << DIGIT_BITS | find_bin(&c, &want);
    }
    *ties = want;
    uint32_t bits = (uint32_t)c.prefix;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
