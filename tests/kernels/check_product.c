/* SPDX-License-Identifier: MIT
 *
 * The products, from rows of floats through packing to tiles, as the encoder
 * calls them. What lies behind and between packed groups is not a number.
 */
#include "tests/kernels/check.h"

#include <math.h>
#include <string.h>

enum {
    MOST_GROUPS = 3,
    MOST_DEPTH = 180,
    MOST_ROWS_OF_W = 48,
    PEAK_FLOP = 100000,
    DEPTH_OF_LINE = 16, /* groups of such depths are whole cache lines */
};

/* One product: x (n, d) with features rows of w. */
struct job {
    const struct product *p;
    bool coarse;
    size_t groups, n, features, d, depth;
    size_t needed, group_bytes; /* of a packed group: bytes, distance */
    const float *x, *w;
    const uint32_t *index;
    char *packed, *panel; /* groups; features */
    float *tiles;
    /* As the product takes them: rounded to bf16 if it is coarse, and with
     * zeros for missing rows, features and depths. */
    float *xs, *ws; /* (groups·rows, d), (p->features, d) */
};

static size_t all_rows(const struct job *j)
{
    return j->groups * j->p->rows;
}

static size_t tile_numbers(const struct job *j)
{
    return all_rows(j) * j->p->features;
}

static size_t pick_depth(struct check *c, size_t step)
{
    size_t tile = step > 2 ? step : DEPTH_OF_LINE;
    size_t d = fill_size(&c->rng, tile, MOST_DEPTH);
    /* So that often the end of packed memory, which is aligned, is a guard. */
    if (rng_below(&c->rng, 2) == 0)
        d = (d + DEPTH_OF_LINE - 1) / DEPTH_OF_LINE * DEPTH_OF_LINE;
    return d;
}

static float *filled(struct check *c, const char *name, size_t n, enum fill f)
{
    float *x = array_buffer(name, BUFFER_INPUT, n, sizeof *x);
    fill_floats(x, n, f, &c->rng);
    return x;
}

static void pick_operands(struct check *c, struct job *j)
{
    enum fill f = fill_pick(&c->rng, FILL_SUMMABLE);
    enum fill g = rng_below(&c->rng, 2) ? f : fill_pick(&c->rng, FILL_SUMMABLE);
    uint32_t first;
    size_t rows_of_w = 1 + rng_below(&c->rng, MOST_ROWS_OF_W);
    j->x = filled(c, "x", j->n * j->d, f);
    float *w = buffer_get_far("w", rows_of_w, j->d, &first);
    uint32_t *index =
        array_buffer("index", BUFFER_INPUT, j->features, sizeof *index);
    for (size_t i = 0; i < j->features; i++) {
        index[i] = first + (uint32_t)rng_below(&c->rng, rows_of_w);
        fill_floats(w + index[i] * j->d, j->d, g, &c->rng);
    }
    j->w = w;
    j->index = index;
    check_setting(c,
                  "n %zu in %zu groups %zu bytes apart, features %zu, d %zu, "
                  "first row %u of %zu, x %s, w %s",
                  j->n, j->groups, j->group_bytes, j->features, j->d,
                  (unsigned)first, rows_of_w, fill_name(f), fill_name(g));
}

/* A row as the product takes it. */
static void round_row(const struct check *c, const struct job *j, float *out,
                      const float *in)
{
    uint16_t half[MOST_DEPTH + DEPTH_OF_LINE];
    memcpy(out, in, j->d * sizeof *out);
    if (!j->coarse)
        return;
    c->portable->f32_to_bf16(half, in, j->d);
    c->portable->bf16_to_f32(out, half, j->d);
}

static void round_operands(const struct check *c, struct job *j)
{
    const size_t x_bytes = all_rows(j) * j->d * sizeof(float);
    const size_t w_bytes = j->p->features * j->d * sizeof(float);
    j->xs = buffers_plain(x_bytes);
    j->ws = buffers_plain(w_bytes);
    memset(j->xs, 0, x_bytes);
    memset(j->ws, 0, w_bytes);
    for (size_t r = 0; r < j->n; r++)
        round_row(c, j, j->xs + r * j->d, j->x + r * j->d);
    for (size_t i = 0; i < j->features; i++)
        round_row(c, j, j->ws + i * j->d, j->w + j->index[i] * j->d);
}

static struct job pick_job(struct check *c, const struct product *p,
                           bool coarse)
{
    struct job j = {.p = p, .coarse = coarse};
    j.groups = rng_below(&c->rng, MOST_GROUPS + 1);
    if (j.groups > 0) /* the last may lack rows */
        j.n = (j.groups - 1) * p->rows + 1 + rng_below(&c->rng, p->rows);
    if (rng_below(&c->rng, 3) == 0)
        j.n = all_rows(&j);
    j.features = 1 + rng_below(&c->rng, p->features);
    if (rng_below(&c->rng, 3) == 0)
        j.features = p->features;
    j.d = pick_depth(c, p->step);
    j.depth = product_depth(p, j.d);
    j.needed = product_group(p, j.depth);
    j.group_bytes = (j.needed + BUFFER_LINE - 1) / BUFFER_LINE * BUFFER_LINE +
                    rng_below(&c->rng, 3) * BUFFER_LINE;
    pick_operands(c, &j);
    round_operands(c, &j);
    return j;
}

/* Packed memory is exactly as large as it must be. */
static void pack(struct check *c, struct job *j)
{
    const struct product *p = j->p;
    const size_t panel_bytes = product_panel(p, j->depth);
    const struct buffer_shape groups = {j->groups, j->needed, j->group_bytes,
                                        BUFFER_LINE};
    const struct buffer_shape panel = {1, panel_bytes, panel_bytes,
                                       BUFFER_LINE};
    j->packed = buffer_get("packed rows", BUFFER_OUTPUT, &groups);
    j->panel = buffer_get("packed features", BUFFER_OUTPUT, &panel);
    buffers_seal();
    for (size_t g = 0; g < j->groups; g++) {
        size_t first = g * p->rows, left = j->n - first;
        p->pack_rows(j->packed + g * j->group_bytes, j->x + first * j->d,
                     left < p->rows ? left : p->rows, j->d);
        check_digest(c, j->packed + g * j->group_bytes, j->needed);
    }
    p->pack_features(j->panel, j->w, j->index, j->features, j->d);
    check_digest(c, j->panel, panel_bytes);
    check_memory(c);
    buffer_freeze(j->packed);
    buffer_freeze(j->panel);
}

/* Σ over depth of row r and feature i, on top of `begin`. */
static void check_number(struct check *c, const struct job *j, size_t r,
                         size_t i, float begin, float got)
{
    const float *x = j->xs + r * j->d, *w = j->ws + i * j->d;
    double sum = (double)begin, magnitude = fabs(sum);
    for (size_t at = 0; at < j->d; at++) {
        double product = (double)x[at] * (double)w[at];
        sum += product;
        magnitude += fabs(product);
    }
    /* bf16: any sum, too, may be taken for zero where it is subnormal. */
    double bound = (double)(j->depth + 2) *
                   (j->coarse ? 2 * (EPSILON * magnitude + 0x1p-126)
                              : EPSILON * magnitude + TINY);
    check_near(c, "tiles", r * j->p->features + i, (double)got, sum, bound);
}

static void check_numbers(struct check *c, const struct job *j,
                          const float *begin, const float *tiles)
{
    const size_t features = j->p->features;
    for (size_t r = 0; r < all_rows(j) && !check_failed(c); r++)
        for (size_t i = 0; i < features; i++)
            check_number(c, j, r, i,
                         begin == NULL ? 0 : begin[r * features + i],
                         tiles[r * features + i]);
}

/* The same by the portable product in its own tiles, of floats even where the
 * product under test is coarse. */
static void check_by_portable(struct check *c, const struct job *j,
                              const float *tiles)
{
    enum { TILE = 256 };
    const struct product *p = &c->portable->exact;
    const size_t m = j->p->features;
    float out[TILE];
    uint32_t index[TILE];
    char *group = buffers_plain(product_group(p, j->d));
    char *panel = buffers_plain(product_panel(p, j->d));
    for (size_t i = 0; i < m; i += p->features) {
        size_t some = m - i < p->features ? m - i : p->features;
        for (size_t f = 0; f < some; f++)
            index[f] = (uint32_t)(i + f);
        p->pack_features(panel, j->ws, index, some, j->d);
        for (size_t r = 0; r < all_rows(j); r++) {
            p->pack_rows(group, j->xs + r * j->d, 1, j->d);
            p->run(out, group, 1, 0, panel, j->d, false);
            for (size_t f = 0; f < some; f++)
                check_number(c, j, r, i + f, 0, out[f]);
            for (size_t f = 0; f < some; f++)
                if (isnan(out[f]) != isnan(tiles[r * m + i + f]))
                    check_fail(c, "NaN unlike the portable one");
        }
    }
}

/* In stretches of depth; the first with `more` only if there is something to
 * add to. */
static void run_cut(struct check *c, const struct job *j, float *tiles,
                    bool more)
{
    const struct product *p = j->p;
    for (size_t at = 0; at < j->depth; more = true) {
        size_t steps = (j->depth - at) / p->step;
        size_t depth = p->step * (1 + rng_below(&c->rng, steps));
        p->run(tiles, j->packed + product_group(p, at), j->groups,
               j->group_bytes, j->panel + product_panel(p, at), depth, more);
        at += depth;
    }
}

static void same_tiles(struct check *c, const struct job *j, const char *what,
                       const float *tiles)
{
    for (size_t i = 0; i < tile_numbers(j); i++)
        check_same(c, what, i, j->tiles[i], tiles[i]);
}

static void check_runs(struct check *c, struct job *j)
{
    const struct product *p = j->p;
    const size_t bytes = tile_numbers(j) * sizeof(float);
    const struct buffer_shape shape = {1, bytes, bytes, BUFFER_LINE};
    float *whole = buffers_plain(bytes), *begin = buffers_plain(bytes);
    j->tiles = buffer_get("tiles", BUFFER_OUTPUT, &shape);
    buffers_seal();
    p->run(j->tiles, j->packed, j->groups, j->group_bytes, j->panel, j->depth,
           false);
    check_memory(c);
    check_digest(c, j->tiles, bytes);
    check_numbers(c, j, NULL, j->tiles);
    check_by_portable(c, j, j->tiles);
    memcpy(whole, j->tiles, bytes);

    run_cut(c, j, j->tiles, false);
    same_tiles(c, j, "cut in stretches of depth, number", whole);

    fill_floats(begin, tile_numbers(j), fill_pick(&c->rng, FILL_SUMMABLE),
                &c->rng);
    memcpy(j->tiles, begin, bytes);
    p->run(j->tiles, j->packed, j->groups, j->group_bytes, j->panel, j->depth,
           true);
    check_numbers(c, j, begin, j->tiles);
    memcpy(whole, j->tiles, bytes);
    memcpy(j->tiles, begin, bytes);
    run_cut(c, j, j->tiles, true);
    same_tiles(c, j, "added in stretches of depth, number", whole);
    check_memory(c);
}

static void check_product(struct check *c, const struct product *p, bool coarse)
{
    struct job j = pick_job(c, p, coarse);
    pack(c, &j);
    if (j.depth > 0 && !check_failed(c))
        check_runs(c, &j);
    if (c->number == 0 && !(p->peak(PEAK_FLOP) >= PEAK_FLOP))
        check_fail(c, "peak did fewer operations than asked for");
}

void check_exact(struct check *c)
{
    check_product(c, &c->k->exact, false);
}

void check_coarse(struct check *c)
{
    check_product(c, &c->k->coarse, true);
}

/* ---- speed ---- */

/* About 200 rows by one panel over a stretch of the width of GPT-2 small, which
 * a panel shares with L1. */
enum { WIDTH = 768, STRETCH = 256, BENCH_ROWS_AT_ONCE = 200 };

struct names {
    const char *run, *pack_rows, *pack_features, *peak;
};

static void bench_one(const struct product *p, const struct names *names,
                      struct bench *b)
{
    const size_t groups = BENCH_ROWS_AT_ONCE / p->rows;
    const size_t needed = product_group(p, WIDTH);
    const size_t panel_bytes = product_panel(p, WIDTH);
    const size_t group_bytes =
        (needed + BUFFER_LINE - 1) / BUFFER_LINE * BUFFER_LINE;
    const double flop =
        2.0 * STRETCH * (double)(groups * p->rows * p->features);
    float *x = bench_floats(b, WIDTH * p->rows);
    float *w = bench_floats(b, WIDTH * p->features);
    char *packed = bench_memory(b, groups * group_bytes);
    char *panel = bench_memory(b, panel_bytes);
    float *tiles =
        bench_memory(b, groups * p->rows * p->features * sizeof *tiles);
    uint32_t *index = bench_memory(b, p->features * sizeof *index);
    for (size_t i = 0; i < p->features; i++)
        index[i] = (uint32_t)i;
    for (bench_begin(b, names->pack_features, BENCH_BYTES,
                     (double)(4 * WIDTH * p->features + panel_bytes));
         bench_again(b);)
        p->pack_features(panel, w, index, p->features, WIDTH);
    for (bench_begin(b, names->pack_rows, BENCH_BYTES,
                     (double)(WIDTH * p->rows * 4 + needed));
         bench_again(b);)
        p->pack_rows(packed, x, p->rows, WIDTH);
    for (size_t g = 1; g < groups; g++)
        memcpy(packed + g * group_bytes, packed, group_bytes);
    for (bench_begin(b, names->run, BENCH_FLOP, flop); bench_again(b);)
        p->run(tiles, packed, groups, group_bytes, panel, STRETCH, false);
    double done = p->peak(1);
    for (bench_begin(b, names->peak, BENCH_FLOP, done); bench_again(b);)
        p->peak(1);
}

void bench_product(const struct kernels *k, struct bench *b)
{
    static const struct names exact = {"exact.run", "exact.pack_rows",
                                       "exact.pack_features", "exact.peak"};
    static const struct names coarse = {"coarse.run", "coarse.pack_rows",
                                        "coarse.pack_features", "coarse.peak"};
    bench_one(&k->exact, &exact, b);
    if (k->coarse.run != NULL)
        bench_one(&k->coarse, &coarse, b);
}
