/* SPDX-License-Identifier: MIT
 *
 * The update. As the contract has it, each line is held against what the lines
 * before it stored: G and m and v are floats.
 */
#include "tests/kernels/check.h"

#include <math.h>
#include <string.h>

struct state {
    float *w, *m, *v;
};

static struct adam pick_constants(struct rng *r)
{
    static const double beta1[] = {0, 0.3, 0.5, 0.9, 0.99};
    static const double beta2[] = {0.5, 0.9, 0.99, 0.999};
    static const double rates[] = {1e-5, 1e-4, 1e-3, 1};
    static const double epsilons[] = {1e-8, 6.25e-10, 1e-3};
    return adam_at(beta1[rng_below(r, 5)], beta2[rng_below(r, 4)],
                   epsilons[rng_below(r, 3)], rates[rng_below(r, 4)],
                   (double)(1 + rng_below(r, 1000)));
}

/* Element i, which was w, m, v before. */
static void check_element(struct check *c, const struct adam *a, size_t i,
                          const float before[3], const struct state *now,
                          float gradient)
{
    const double g = (double)gradient;
    const double m0 = (double)a->beta1 * (double)before[1];
    const double m1 = (double)(1 - a->beta1) * g;
    const double v0 = (double)a->beta2 * (double)before[2];
    const double v1 = (double)(1 - a->beta2) * g * g;
    check_near(c, "m", i, (double)now->m[i], m0 + m1,
               3 * (EPSILON * (fabs(m0) + fabs(m1)) + TINY));
    check_near(c, "v", i, (double)now->v[i], v0 + v1,
               3 * (EPSILON * (fabs(v0) + fabs(v1)) + TINY));

    const double divisor =
        sqrt((double)now->v[i]) * (double)a->root_v + (double)a->epsilon;
    const double taken = (double)a->rate * (double)now->m[i] / divisor;
    const double w = (double)before[0] - taken;
    check_near(c, "w", i, (double)now->w[i], w,
               EPSILON * fabs(w) + 8 * EPSILON * fabs(taken) + TINY / divisor +
                   TINY);
}

/* Twice the bounds between two that are each within them. */
static void check_by_portable(struct check *c, const struct state *now,
                              const struct state *other, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (isnan(now->w[i]) != isnan(other->w[i]) ||
            isnan(now->m[i]) != isnan(other->m[i]) ||
            isnan(now->v[i]) != isnan(other->v[i]))
            check_fail(c, "NaN unlike the portable one at %zu", i);
}

static float *copy_of(const float *x, size_t n)
{
    float *copy = buffers_plain(n * sizeof *copy);
    memcpy(copy, x, n * sizeof *copy);
    return copy;
}

/* One call for one row. */
static void check_row(struct check *c, const struct adam *a,
                      const struct state *s, const float *g, float scale,
                      size_t n)
{
    const float *w = buffer_before(s->w), *m = buffer_before(s->m);
    const float *v = buffer_before(s->v);
    const struct state other = {copy_of(w, n), copy_of(m, n), copy_of(v, n)};
    c->k->adam(a, s->w, s->m, s->v, g, scale, n);
    c->portable->adam(a, other.w, other.m, other.v, g, scale, n);
    for (size_t i = 0; i < n; i++) {
        const float before[3] = {w[i], m[i], v[i]};
        check_element(c, a, i, before, s, g[i] * scale);
        check_element(c, a, i, before, &other, g[i] * scale);
    }
    check_by_portable(c, s, &other, n);
    check_digest(c, s->w, n * sizeof *w);
    check_digest(c, s->m, n * sizeof *m);
    check_digest(c, s->v, n * sizeof *v);
}

void check_adam(struct check *c)
{
    const struct shape s = shape_pick(&c->rng);
    const struct adam a = pick_constants(&c->rng);
    enum fill f[4];
    for (int i = 0; i < 4; i++)
        f[i] = fill_pick(&c->rng, FILL_SUMMABLE);
    const float scale = rng_below(&c->rng, 2) ? 1 : fabsf(rng_normal(&c->rng));
    check_setting(c, "n %zu, rows %zu, w %s, m %s, v %s, g %s, scale %g", s.n,
                  s.rows, fill_name(f[0]), fill_name(f[1]), fill_name(f[2]),
                  fill_name(f[3]), (double)scale);
    struct state now = {
        .w = shape_buffer(c, "w", BUFFER_OUTPUT, &s, f[0]),
        .m = shape_buffer(c, "m", BUFFER_OUTPUT, &s, f[1]),
        .v = shape_buffer(c, "v", BUFFER_OUTPUT, &s, f[2]),
    };
    const float *g = shape_buffer(c, "g", BUFFER_INPUT, &s, f[3]);
    for (size_t row = 0; row < s.rows; row++)
        for (size_t i = 0; i < s.n; i++) /* a mean of squares */
            now.v[row * s.stride + i] = fabsf(now.v[row * s.stride + i]);
    buffers_seal();
    for (size_t row = 0; row < s.rows; row++) {
        const size_t at = row * s.stride;
        const struct state part = {now.w + at, now.m + at, now.v + at};
        check_row(c, &a, &part, g + at, scale, s.n);
    }
    check_memory(c);
}

/* ---- speed ---- */

/* Rows of 768 that fit L2, for the arithmetic rather than the memory. */
enum { NUMBERS = 16 * 768 };

void bench_adam(const struct kernels *k, struct bench *b)
{
    float *w = bench_floats(b, NUMBERS), *m = bench_floats(b, NUMBERS);
    float *v = bench_memory(b, NUMBERS * sizeof *v);
    float *g = bench_floats(b, NUMBERS);
    const struct adam a = adam_at(0.9, 0.999, 1e-8, 1e-3, 100);
    for (bench_begin(b, "adam", BENCH_BYTES, 7.0 * NUMBERS * sizeof *w);
         bench_again(b);)
        k->adam(&a, w, m, v, g, 1, NUMBERS);
}
