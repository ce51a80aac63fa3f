/* SPDX-License-Identifier: MIT */
#include "lens/source_counts.h"

#include <string.h>

#include "encode/statistics.h"
#include "lens/source_examples.h"

int source_counts_open(struct source_counts *c, size_t longest, struct err *e)
{
    static const char what[] = "sums by source";
    *c = (struct source_counts){.longest = longest};
    struct arena *a = &c->arena;
    int code =
        arena_get(a, &c->sum, SOURCES_BLOCK, longest * sizeof *c->sum, what, e);
    if (code == 0)
        code =
            arena_get(a, &c->by_string, longest, sizeof *c->by_string, what, e);
    if (code == 0)
        code = arena_get(a, &c->place, longest, sizeof *c->place, what, e);
    if (code != 0)
        source_counts_close(c);
    return code;
}

void source_counts_close(struct source_counts *c)
{
    arena_free(&c->arena);
    *c = (struct source_counts){0};
}

/* Heads come in order: the first one begins the sums. */
static void add_head(void *ctx, size_t slot, const struct source_point *point,
                     int head, const float *dfa)
{
    struct source_counts *c = ctx;
    float *sum = c->sum + slot * c->longest;
    size_t n = point->destination + (size_t)1;
    if (head == 0)
        memset(sum, 0, n * sizeof *sum);
    for (size_t src = 0; src < n; src++)
        sum[src] += dfa[src] > 0 ? dfa[src] : 0;
}

/* ---- distances ---- */

/* Adds what a point gets from each distance; returns all of it. */
static double add_distances(struct source_bin *bins, const float *sum,
                            uint32_t destination)
{
    double total = 0;
    uint32_t best = 0;
    for (uint32_t src = 0; src <= destination; src++) {
        int bin = statistics_position_bin(destination - src);
        bins[bin].sum += (double)sum[src];
        total += (double)sum[src];
        if (sum[src] > sum[best])
            best = src;
    }
    if (total > 0)
        bins[statistics_position_bin(destination - best)].count++;
    return total;
}

static void put_bins(struct source_counts *c, struct source_bin *bins,
                     uint32_t feature)
{
    for (uint32_t b = 0; b < SOURCE_BINS; b++)
        if (bins[b].sum > 0) {
            bins[b].feature = feature;
            bins[b].bin = b;
            source_found_bin(c->out, bins[b]);
        }
    memset(bins, 0, SOURCE_BINS * sizeof *bins);
}

/* ---- strings ---- */

static void put_strings(struct source_counts *c, const float *sum,
                        const struct source_point *point, double total)
{
    double least = total / SOURCES_PART;
    memset(c->by_string, 0,
           (point->destination + (size_t)1) * sizeof *c->by_string);
    for (uint32_t src = 0; src <= point->destination; src++)
        c->by_string[c->place[src]] += sum[src];
    for (uint32_t src = 0; src <= point->destination; src++)
        if (c->by_string[src] > 0 && (double)c->by_string[src] >= least)
            source_found_string(
                c->out, (struct source_string){.feature = point->feature,
                                               .vocab = (uint32_t)c->ids[src],
                                               .sum = c->by_string[src]});
}

static void count_block(void *ctx, const struct source_point *points, size_t n)
{
    struct source_counts *c = ctx;
    struct source_bin bins[SOURCE_BINS] = {{0}};
    for (size_t i = 0; i < n; i++) {
        const float *sum = c->sum + i * c->longest;
        double total = add_distances(bins, sum, points[i].destination);
        put_strings(c, sum, &points[i], total);
        if (i + 1 == n || points[i + 1].feature != points[i].feature)
            put_bins(c, bins, points[i].feature);
    }
}

/* t is some hundred: comparing all pairs costs less than one head does. */
static void find_places(struct source_counts *c, size_t t)
{
    for (size_t i = 0; i < t; i++) {
        size_t first = 0;
        while (c->ids[first] != c->ids[i])
            first++;
        c->place[i] = (uint32_t)first;
    }
}

struct source_visitor source_counts_visitor(struct source_counts *c,
                                            struct source_found *out,
                                            const int32_t *ids, size_t t)
{
    c->out = out;
    c->ids = ids;
    find_places(c, t);
    return (struct source_visitor){add_head, count_block, c};
}
