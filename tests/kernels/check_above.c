/* SPDX-License-Identifier: MIT
 *
 * The comparison of tiles. Ties with the floor and with bounds are made on
 * purpose: they are not hits.
 */
#include "tests/kernels/check.h"

#include <math.h>
#include <string.h>

enum { MOST_ROWS = 40, MOST_FEATURES = 100 };

/* What is compared. */
struct job {
    size_t n, features;
    float *tiles, *bias, *bound, *floor, *slack;
};

/* The rule once more, in the words of the contract. */
static bool is_above(const struct above *a, const float *tile, size_t r,
                     size_t i, float *h)
{
    *h = tile[i] + a->bias[i];
    if (isnan(*h) || isnan(a->floor[r]) || *h <= a->floor[r])
        return false;
    if (a->bound == NULL)
        return true;
    float raised = *h + a->slack[r];
    return !isnan(raised) && !isnan(a->bound[i]) && raised > a->bound[i];
}

static void check_hits(struct check *c, const struct above *a,
                       const struct job *j, const struct hit *out, size_t count)
{
    size_t at = 0;
    float h;
    for (size_t r = 0; r < j->n; r++)
        for (size_t i = 0; i < j->features; i++) {
            if (!is_above(a, j->tiles + r * j->features, r, i, &h))
                continue;
            const struct hit want = {h, a->first_row + (uint32_t)r,
                                     a->first_feature + (uint32_t)i};
            if (at >= count || memcmp(&out[at], &want, sizeof want) != 0) {
                check_fail(c, "row %zu, feature %zu, h %g is not hit %zu", r, i,
                           (double)h, at);
                return;
            }
            at++;
        }
    if (at != count)
        check_fail(c, "%zu hits, not %zu", count, at);
}

/* Half of the floors and bounds are what some h is. */
static void make_ties(struct rng *rng, const struct job *j)
{
    for (size_t r = 0; r < j->n && j->features > 0; r++)
        if (rng_below(rng, 2) == 0) {
            size_t i = rng_below(rng, j->features);
            j->floor[r] = j->tiles[r * j->features + i] + j->bias[i];
        }
    for (size_t i = 0; i < j->features && j->n > 0; i++)
        if (rng_below(rng, 2) == 0) {
            size_t r = rng_below(rng, j->n);
            float h = j->tiles[r * j->features + i] + j->bias[i];
            j->bound[i] = h + j->slack[r];
        }
}

static float *filled(struct check *c, const char *name, size_t n, enum fill f)
{
    float *x = array_buffer(name, BUFFER_INPUT, n, sizeof *x);
    fill_floats(x, n, f, &c->rng);
    return x;
}

static struct job pick_job(struct check *c)
{
    static const size_t lanes[] = {4, 8, 16, 32};
    struct job j = {.n = fill_size(&c->rng, 14, MOST_ROWS)};
    j.features =
        fill_size(&c->rng, lanes[rng_below(&c->rng, 4)], MOST_FEATURES);
    const enum fill f = fill_pick(&c->rng, FILLS);
    /* The grid has ties of its own, and about half of it is above. */
    const enum fill g =
        rng_below(&c->rng, 2) ? FILL_GRID : fill_pick(&c->rng, FILLS);
    j.tiles = filled(c, "tiles", j.n * j.features, f);
    j.bias = filled(c, "bias", j.features, g);
    j.floor = filled(c, "floor", j.n, g);
    j.slack = filled(c, "slack", j.n, fill_pick(&c->rng, FILLS));
    j.bound = filled(c, "bound", j.features, g);
    make_ties(&c->rng, &j);
    check_setting(c, "n %zu, features %zu, tiles %s, others %s", j.n,
                  j.features, fill_name(f), fill_name(g));
    return j;
}

void check_above(struct check *c)
{
    const struct job j = pick_job(c);
    const struct above a = {
        .bias = j.bias,
        .bound = rng_below(&c->rng, 2) ? j.bound : NULL,
        .floor = j.floor,
        .slack = j.slack,
        .first_row = rng_u32(&c->rng) >> 1,
        .first_feature = rng_u32(&c->rng) >> 1,
    };
    const size_t room = j.n * j.features * sizeof(struct hit);
    const struct buffer_shape shape = {1, room, room, _Alignof(struct hit)};
    struct hit *out = buffer_get("out", BUFFER_OUTPUT, &shape);
    struct hit *other = buffers_plain(room);
    buffers_seal();
    size_t count = c->k->above(out, j.tiles, j.n, j.features, &a);
    check_memory(c);
    if (count != c->portable->above(other, j.tiles, j.n, j.features, &a) ||
        memcmp(out, other, count * sizeof *out) != 0)
        check_fail(c, "hits are not those of the portable one");
    check_hits(c, &a, &j, out, count);
    check_digest(c, out, count * sizeof *out);
}

/* ---- speed ---- */

/* A block of rows by one panel, of which one number in a thousand is a hit. */
enum { ROWS = 196, FEATURES = 32 };

void bench_above(const struct kernels *k, struct bench *b)
{
    float *tiles = bench_floats(b, ROWS * FEATURES);
    float *bias = bench_memory(b, FEATURES * sizeof *bias);
    float *floor = bench_memory(b, ROWS * sizeof *floor);
    struct hit *out = bench_memory(b, ROWS * FEATURES * sizeof *out);
    const struct above a = {.bias = bias, .floor = floor, .slack = floor};
    for (size_t r = 0; r < ROWS; r++)
        floor[r] = 3.1f;
    for (bench_begin(b, "above", BENCH_BYTES, ROWS * FEATURES * sizeof *tiles);
         bench_again(b);)
        k->above(out, tiles, ROWS, FEATURES, &a);
}
