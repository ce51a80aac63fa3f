/* SPDX-License-Identifier: MIT
 *
 * Kernels over one contiguous row, called for each row of a matrix.
 */
#include "tests/kernels/check.h"

#include <math.h>
#include <string.h>

/* Two rows to be multiplied, often of the same kind. */
struct operands {
    struct shape shape;
    const float *a, *b;
};

static struct operands pick_operands(struct check *c)
{
    struct operands o = {.shape = shape_pick(&c->rng)};
    enum fill f = fill_pick(&c->rng, FILL_SUMMABLE);
    enum fill g = rng_below(&c->rng, 2) ? f : fill_pick(&c->rng, FILL_SUMMABLE);
    check_setting(c, "n %zu, rows %zu, stride %zu, a %s, b %s", o.shape.n,
                  o.shape.rows, o.shape.stride, fill_name(f), fill_name(g));
    o.a = shape_buffer(c, "a", BUFFER_INPUT, &o.shape, f);
    o.b = shape_buffer(c, "b", BUFFER_INPUT, &o.shape, g);
    buffers_seal();
    return o;
}

static struct sum sum_products(const float *a, const float *b, size_t n)
{
    struct sum s = {0};
    for (size_t i = 0; i < n; i++)
        sum_add(&s, (double)a[i] * (double)b[i]);
    return s;
}

void check_dot(struct check *c)
{
    const struct operands o = pick_operands(c);
    const size_t n = o.shape.n;
    for (size_t row = 0; row < o.shape.rows; row++) {
        const float *a = o.a + row * o.shape.stride;
        const float *b = o.b + row * o.shape.stride;
        float got = c->k->dot(a, b, n);
        const struct sum want = sum_products(a, b, n);
        double bound =
            ((double)n / 8 + 8) * EPSILON * want.magnitude + (double)n * TINY;
        check_sum(c, "dot", row, (double)got, &want, bound);
        check_near(c, "dot, by the portable one,", row, (double)got,
                   (double)c->portable->dot(a, b, n), 2 * bound);
        check_digest(c, &got, sizeof got);
    }
    check_memory(c);
}

void check_dot_double(struct check *c)
{
    const struct operands o = pick_operands(c);
    const size_t n = o.shape.n;
    for (size_t row = 0; row < o.shape.rows; row++) {
        const float *a = o.a + row * o.shape.stride;
        const float *b = o.b + row * o.shape.stride;
        double got = c->k->dot_double(a, b, n);
        const struct sum want = sum_products(a, b, n);
        double bound = (double)n * 0x1p-52 * want.magnitude;
        check_sum(c, "dot_double", row, got, &want, bound);
        check_near(c, "dot_double, by the portable one,", row, got,
                   c->portable->dot_double(a, b, n), 2 * bound);
        check_digest(c, &got, sizeof got);
    }
    check_memory(c);
}

void check_add_scaled(struct check *c)
{
    const struct shape s = shape_pick(&c->rng);
    enum fill f = fill_pick(&c->rng, FILL_SUMMABLE);
    enum fill g = fill_pick(&c->rng, FILL_SUMMABLE);
    const float a = fill_float(fill_pick(&c->rng, FILL_SUMMABLE), &c->rng);
    check_setting(c, "n %zu, rows %zu, stride %zu, y %s, x %s, a %g", s.n,
                  s.rows, s.stride, fill_name(f), fill_name(g), (double)a);
    float *y = shape_buffer(c, "y", BUFFER_OUTPUT, &s, f);
    const float *x = shape_buffer(c, "x", BUFFER_INPUT, &s, g);
    float *other = buffers_plain(s.n * sizeof *other);
    buffers_seal();
    for (size_t row = 0; row < s.rows; row++) {
        float *yr = y + row * s.stride;
        const float *xr = x + row * s.stride, *before = buffer_before(yr);
        memcpy(other, before, s.n * sizeof *other);
        c->k->add_scaled(yr, a, xr, s.n);
        c->portable->add_scaled(other, a, xr, s.n);
        for (size_t i = 0; i < s.n; i++) {
            double product = (double)a * (double)xr[i];
            double bound =
                2 * EPSILON * (fabs((double)before[i]) + fabs(product)) + TINY;
            check_near(c, "y", i, (double)yr[i], (double)before[i] + product,
                       bound);
            check_near(c, "y, by the portable one,", i, (double)yr[i],
                       (double)other[i], 2 * bound);
        }
        check_digest(c, yr, s.n * sizeof *yr);
    }
    check_memory(c);
}

void check_subtract(struct check *c)
{
    const struct shape s = shape_pick(&c->rng);
    enum fill f = fill_pick(&c->rng, FILLS), g = fill_pick(&c->rng, FILLS);
    bool in_place = rng_below(&c->rng, 3) == 0;
    check_setting(c, "n %zu, rows %zu, stride %zu, x %s, b %s%s", s.n, s.rows,
                  s.stride, fill_name(f), fill_name(g),
                  in_place ? ", in place" : "");
    enum buffer_use use = in_place ? BUFFER_OUTPUT : BUFFER_INPUT;
    float *x = shape_buffer(c, "x", use, &s, f), *out = x;
    const float *b = shape_buffer(c, "b", BUFFER_INPUT, &s, g);
    if (!in_place)
        out = shape_buffer(c, "out", BUFFER_OUTPUT, &s, FILL_NORMAL);
    float *other = buffers_plain(s.n * sizeof *other);
    buffers_seal();
    for (size_t row = 0; row < s.rows; row++) {
        size_t at = row * s.stride;
        const float *before = buffer_before(x + at);
        c->k->subtract(out + at, x + at, b + at, s.n);
        c->portable->subtract(other, before, b + at, s.n);
        for (size_t i = 0; i < s.n; i++) {
            check_same(c, "out", i, out[at + i], other[i]);
            /* A difference of floats is rounded correctly through double. */
            check_same(c, "out", i, out[at + i],
                       (float)((double)before[i] - (double)b[at + i]));
        }
        check_digest(c, out + at, s.n * sizeof *out);
    }
    check_memory(c);
}

void check_scale(struct check *c)
{
    const struct shape s = shape_pick(&c->rng);
    enum fill f = fill_pick(&c->rng, FILLS);
    const float a = fill_float(fill_pick(&c->rng, FILLS), &c->rng);
    check_setting(c, "n %zu, rows %zu, stride %zu, x %s, a %g", s.n, s.rows,
                  s.stride, fill_name(f), (double)a);
    float *x = shape_buffer(c, "x", BUFFER_OUTPUT, &s, f);
    float *other = buffers_plain(s.n * sizeof *other);
    buffers_seal();
    for (size_t row = 0; row < s.rows; row++) {
        float *xr = x + row * s.stride;
        const float *before = buffer_before(xr);
        memcpy(other, before, s.n * sizeof *other);
        c->k->scale(xr, a, s.n);
        c->portable->scale(other, a, s.n);
        for (size_t i = 0; i < s.n; i++) {
            check_same(c, "x", i, xr[i], other[i]);
            /* A product of floats is exact in double. */
            check_same(c, "x", i, xr[i],
                       (float)((double)before[i] * (double)a));
        }
        check_digest(c, xr, s.n * sizeof *xr);
    }
    check_memory(c);
}

/* ---- speed ---- */

enum { WIDTH = 768, ROWS_AT_ONCE = 64 };

void bench_vector(const struct kernels *k, struct bench *b)
{
    float *x = bench_floats(b, WIDTH), *y = bench_floats(b, WIDTH);
    volatile double sink = 0;
    const double bytes = WIDTH * sizeof(float);
    for (bench_begin(b, "dot", BENCH_FLOP, 2.0 * WIDTH); bench_again(b);)
        sink = (double)k->dot(x, y, WIDTH);
    for (bench_begin(b, "dot_double", BENCH_FLOP, 2.0 * WIDTH); bench_again(b);)
        sink = k->dot_double(x, y, WIDTH);
    for (bench_begin(b, "add_scaled", BENCH_BYTES, 3 * bytes); bench_again(b);)
        k->add_scaled(y, 1e-9f, x, WIDTH);
    for (bench_begin(b, "subtract", BENCH_BYTES, 3 * bytes); bench_again(b);)
        k->subtract(y, x, x, WIDTH);
    for (bench_begin(b, "scale", BENCH_BYTES, 2 * bytes); bench_again(b);)
        k->scale(x, 1, WIDTH);
    (void)sink;
}
