/* SPDX-License-Identifier: MIT
 *
 * Kernels over few rows out of many. Rows that are not asked for are not a
 * number; the matrix may begin 2^32 numbers before the first row asked for.
 */
#include "tests/kernels/check.h"

#include <math.h>
#include <string.h>

enum { MOST_ROWS = 24, MOST_COUNT = 19 };

struct lookup {
    size_t rows, d, count;
    const float *w;
    const uint32_t *index;
    bool asked[MOST_ROWS];
};

/* Which rows; some twice. w itself is filled afterwards. */
static struct lookup pick_lookup(struct check *c)
{
    struct lookup l = {
        .rows = 1 + rng_below(&c->rng, MOST_ROWS),
        .d = shape_pick(&c->rng).n,
        .count = fill_size(&c->rng, 4, MOST_COUNT),
    };
    uint32_t first;
    float *w = buffer_get_far("w", l.rows, l.d, &first);
    uint32_t *index =
        array_buffer("index", BUFFER_INPUT, l.count, sizeof *index);
    enum fill f = fill_pick(&c->rng, FILL_SUMMABLE);
    for (size_t i = 0; i < l.count; i++) {
        size_t row = rng_below(&c->rng, l.rows);
        index[i] = first + (uint32_t)row;
        if (!l.asked[row])
            fill_floats(w + index[i] * l.d, l.d, f, &c->rng);
        l.asked[row] = true;
    }
    l.w = w;
    l.index = index;
    check_setting(c, "count %zu, d %zu, first row %u of %zu, w %s", l.count,
                  l.d, (unsigned)first, l.rows, fill_name(f));
    return l;
}

static float *filled(struct check *c, const char *name, enum buffer_use use,
                     size_t n)
{
    float *x = array_buffer(name, use, n, sizeof *x);
    fill_floats(x, n, fill_pick(&c->rng, FILL_SUMMABLE), &c->rng);
    return x;
}

void check_add_rows(struct check *c)
{
    const struct lookup l = pick_lookup(c);
    float *y = filled(c, "y", BUFFER_OUTPUT, l.d);
    const float *value = filled(c, "value", BUFFER_INPUT, l.count);
    float *other = buffers_plain(l.d * sizeof *other);
    memcpy(other, y, l.d * sizeof *other);
    buffers_seal();
    const float *before = buffer_before(y);
    c->k->add_rows(y, l.w, l.index, value, l.count, l.d);
    c->portable->add_rows(other, l.w, l.index, value, l.count, l.d);
    for (size_t j = 0; j < l.d; j++) {
        struct sum want = {0};
        sum_add(&want, (double)before[j]);
        for (size_t i = 0; i < l.count; i++)
            sum_add(&want,
                    (double)value[i] * (double)l.w[l.index[i] * l.d + j]);
        double bound = (double)(l.count + 1) * EPSILON * want.magnitude +
                       (double)l.count * TINY;
        check_sum(c, "y", j, (double)y[j], &want, bound);
        check_near(c, "y, by the portable one,", j, (double)y[j],
                   (double)other[j], 2 * bound);
    }
    check_digest(c, y, l.d * sizeof *y);
    check_memory(c);
}

/* dot of the same tier is checked by itself: here only that it is dot. */
void check_dot_rows(struct check *c)
{
    const struct lookup l = pick_lookup(c);
    const float *x = filled(c, "x", BUFFER_INPUT, l.d);
    float *out = array_buffer("out", BUFFER_OUTPUT, l.count, sizeof *out);
    buffers_seal();
    c->k->dot_rows(out, x, l.w, l.index, l.count, l.d);
    for (size_t i = 0; i < l.count; i++)
        check_same(c, "out", i, out[i],
                   c->k->dot(x, l.w + l.index[i] * l.d, l.d));
    check_digest(c, out, l.count * sizeof *out);
    check_memory(c);
}

void check_dot_heads(struct check *c)
{
    size_t heads = fill_size(&c->rng, 12, 16), d = shape_pick(&c->rng).n;
    check_setting(c, "heads %zu, d_head %zu", heads, d);
    const float *z = filled(c, "z", BUFFER_INPUT, heads * d);
    const float *w = filled(c, "w", BUFFER_INPUT, heads * d);
    float *out = array_buffer("out", BUFFER_OUTPUT, heads, sizeof *out);
    buffers_seal();
    c->k->dot_heads(out, z, w, heads, d);
    for (size_t h = 0; h < heads; h++)
        check_same(c, "out", h, out[h], c->k->dot(z + h * d, w + h * d, d));
    check_digest(c, out, heads * sizeof *out);
    check_memory(c);
}

/* ---- speed ---- */

/* Of GPT-2 small with an SAE of 16384 features, 64 of them active: more rows
 * than caches hold. */
enum { WIDTH = 768, FEATURES = 16384, ACTIVE = 64, HEADS = 12, D_HEAD = 64 };

void bench_rows(const struct kernels *k, struct bench *b)
{
    float *w = bench_memory(b, (size_t)FEATURES * WIDTH * sizeof *w);
    float *x = bench_floats(b, WIDTH), *y = bench_floats(b, WIDTH);
    float *out = bench_memory(b, ACTIVE * sizeof *out);
    uint32_t index[ACTIVE];
    const double flop = 2.0 * ACTIVE * WIDTH;
    const double heads_flop = 2.0 * WIDTH;
    struct rng rows = rng_at(2, RNG_TEST, 0);
    for (bench_begin(b, "add_rows", BENCH_FLOP, flop); bench_again(b);) {
        for (size_t i = 0; i < ACTIVE; i++)
            index[i] = rng_u32(&rows) % FEATURES;
        k->add_rows(y, w, index, x, ACTIVE, WIDTH);
    }
    for (bench_begin(b, "dot_rows", BENCH_FLOP, flop); bench_again(b);) {
        for (size_t i = 0; i < ACTIVE; i++)
            index[i] = rng_u32(&rows) % FEATURES;
        k->dot_rows(out, x, w, index, ACTIVE, WIDTH);
    }
    for (bench_begin(b, "dot_heads", BENCH_FLOP, heads_flop); bench_again(b);)
        k->dot_heads(out, x, y, HEADS, D_HEAD);
}
