/* SPDX-License-Identifier: MIT
 *
 * The products, from rows of floats through packing to tiles, as the encoder
 * calls them. What lies behind and between packed groups is not a number.
 */
#include "tests/kernels/check.h"
#include "tests/kernels/quantised.h"

#include <math.h>
#include <string.h>

enum {
    MOST_GROUPS = 3,
    MOST_DEPTH = 180,
    MOST_ROWS_OF_W = 48,
    PEAK_FLOP = 100000,
    DEPTH_OF_LINE = 16, /* groups of such depths are whole cache lines */
    LONGEST = QUANTISED_SEGMENTS * QUANTISED_DEPTHS, /* row of any product */
};

enum numbers { FP32, BF16, INT8 };

/* One product: x (n, d) with features rows of w. */
struct job {
    const struct product *p;
    enum numbers numbers;
    bool summable; /* operands whose products and sums do not overflow */
    size_t groups, n, features, d, depth;
    size_t needed, group_bytes; /* of a packed group: bytes, distance */
    const float *x, *w;
    const uint32_t *index;
    char *packed, *panel; /* groups; features */
    float *tiles;
    /* As the product takes them, rounded, with zeros for missing rows, features
     * and depths. */
    float *xs, *ws;            /* (groups·rows, d), (p->features, d) */
    struct quantised *xq, *wq; /* the same of int8 */
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
    size_t d = fill_size(&c->rng, tile, MOST_DEPTH + 2 * step);
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
    const enum fill end = j->summable ? FILL_SUMMABLE : FILLS;
    enum fill f = fill_pick(&c->rng, end);
    enum fill g = rng_below(&c->rng, 2) ? f : fill_pick(&c->rng, end);
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
                      struct quantised *q, const float *in)
{
    uint16_t half[LONGEST];
    switch (j->numbers) {
    case FP32:
        memcpy(out, in, j->d * sizeof *out);
        break;
    case BF16:
        c->portable->f32_to_bf16(half, in, j->d);
        c->portable->bf16_to_f32(out, half, j->d);
        break;
    case INT8:
        quantise(q, in, j->d);
        quantised_floats(out, q, j->d);
        break;
    }
}

static void round_operands(const struct check *c, struct job *j)
{
    const size_t x_bytes = all_rows(j) * j->d * sizeof(float);
    const size_t w_bytes = j->p->features * j->d * sizeof(float);
    j->xs = buffers_plain(x_bytes);
    j->ws = buffers_plain(w_bytes);
    memset(j->xs, 0, x_bytes);
    memset(j->ws, 0, w_bytes);
    j->xq = buffers_plain(all_rows(j) * sizeof *j->xq);
    j->wq = buffers_plain(j->p->features * sizeof *j->wq);
    memset(j->xq, 0, all_rows(j) * sizeof *j->xq);
    memset(j->wq, 0, j->p->features * sizeof *j->wq);
    for (size_t r = 0; r < j->n; r++)
        round_row(c, j, j->xs + r * j->d, &j->xq[r], j->x + r * j->d);
    for (size_t i = 0; i < j->features; i++)
        round_row(c, j, j->ws + i * j->d, &j->wq[i], j->w + j->index[i] * j->d);
}

static struct job pick_job(struct check *c, const struct product *p,
                           enum numbers numbers)
{
    struct job j = {.p = p, .numbers = numbers};
    /* Of int8 every bit is known, whatever the operands. */
    j.summable = numbers != INT8 || rng_below(&c->rng, 4) > 0;
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
                   (j->numbers == BF16 ? 2 * (EPSILON * magnitude + 0x1p-126)
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

/* int8: integers are summed exactly, and each segment rounds as stated. */
static void check_bits(struct check *c, const struct job *j, const float *begin,
                       const float *tiles)
{
    const size_t features = j->p->features;
    for (size_t r = 0; r < j->n; r++)
        for (size_t i = 0; i < j->features; i++) {
            size_t at = r * features + i;
            float want = quantised_product(begin == NULL ? 0 : begin[at],
                                           &j->xq[r], &j->wq[i]);
            check_same(c, "bits of tiles", at, tiles[at], want);
        }
}

static double sum_fourth(const float *x, size_t d)
{
    double sum = 0;
    for (size_t i = 0; i < d; i++)
        sum += (double)x[i] * (double)x[i] * (double)x[i] * (double)x[i];
    return sum;
}

static double bf16_margin(const struct job *j, size_t row)
{
    double most = 0;
    for (size_t i = 0; i < j->features; i++)
        most = fmax(most, sum_fourth(j->ws + i * j->d, j->d));
    return 6 * 0x1p-9 * pow(sum_fourth(j->xs + row * j->d, j->d), 0.25) *
           pow(most, 0.25);
}

/* The formulas of kernels/encoder.h; features that are not finite do not
 * count. */
static void check_margins(struct check *c, const struct job *j)
{
    const struct rounding *r = &j->p->rounding;
    const size_t n_terms = r->terms(j->d);
    double *terms =
        array_buffer("terms", BUFFER_OUTPUT, n_terms, sizeof *terms);
    float *margin = array_buffer("margin", BUFFER_OUTPUT, j->n, sizeof *margin);
    for (size_t i = 0; i < n_terms; i++)
        terms[i] = 0;
    buffers_seal();
    r->raise(terms, j->panel, j->d);
    for (size_t at = 0; at < j->n; at += j->p->rows) {
        size_t left = j->n - at;
        r->margins(margin + at, j->packed + at / j->p->rows * j->group_bytes,
                   left < j->p->rows ? left : j->p->rows, j->d, terms);
    }
    for (size_t at = 0; at < j->n; at++) {
        double want = j->numbers == INT8
                          ? quantised_margin(&j->xq[at], j->wq, j->features)
                          : bf16_margin(j, at);
        check_near(c, "margin", at, (double)margin[at], want,
                   0x1p-20 * fabs(want) + 0x1p-149);
    }
    check_digest(c, margin, j->n * sizeof *margin);
    check_memory(c);
}

/* The tiles, on top of `begin`. */
static void check_tiles(struct check *c, const struct job *j,
                        const float *begin)
{
    if (j->summable)
        check_numbers(c, j, begin, j->tiles);
    if (j->numbers == INT8)
        check_bits(c, j, begin, j->tiles);
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
    check_tiles(c, j, NULL);
    if (j->summable)
        check_by_portable(c, j, j->tiles);
    memcpy(whole, j->tiles, bytes);

    run_cut(c, j, j->tiles, false);
    same_tiles(c, j, "cut in stretches of depth, number", whole);

    fill_floats(begin, tile_numbers(j), fill_pick(&c->rng, FILL_SUMMABLE),
                &c->rng);
    memcpy(j->tiles, begin, bytes);
    p->run(j->tiles, j->packed, j->groups, j->group_bytes, j->panel, j->depth,
           true);
    check_tiles(c, j, begin);
    memcpy(whole, j->tiles, bytes);
    memcpy(j->tiles, begin, bytes);
    run_cut(c, j, j->tiles, true);
    same_tiles(c, j, "added in stretches of depth, number", whole);
    check_memory(c);
}

static void check_product(struct check *c, const struct product *p,
                          enum numbers numbers)
{
    struct job j = pick_job(c, p, numbers);
    pack(c, &j);
    if (numbers != FP32 && !check_failed(c))
        check_margins(c, &j);
    if (j.depth > 0 && !check_failed(c))
        check_runs(c, &j);
    if (c->number == 0 && !(p->peak(PEAK_FLOP) >= PEAK_FLOP))
        check_fail(c, "peak did fewer operations than asked for");
}

void check_exact(struct check *c)
{
    check_product(c, &c->k->exact, FP32);
}

void check_coarse(struct check *c)
{
    const struct product *p = &c->k->coarse;
    check_product(c, p, strcmp(p->numbers, "int8") == 0 ? INT8 : BF16);
}
