/* SPDX-License-Identifier: MIT
 *
 * Topk that begins with a guess selects what topk without one does, to the bit,
 * whatever the guess.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "sae/forward.h"

struct problem {
    size_t n, d, m, k;
    float *x, *w, *b;
    struct team team;
    struct encoder enc;
    struct codes plain; /* what topk selects without a guess */
};

enum values { WHOLE, NORMAL }; /* small integers, which tie, or any */

/* Rows of sizes that differ, so that one guess is too high for some and too low
 * for others; every ninth row zero, of which only b is left. Of b one in eight
 * is above zero, of which these rows have fewer than k active. */
static void fill(struct problem *p, enum values values, uint32_t lane)
{
    struct rng r = rng_at(3, RNG_TEST, lane);
    for (size_t i = 0; i < p->m * p->d; i++)
        p->w[i] =
            values == WHOLE ? (float)rng_below(&r, 5) - 2 : rng_normal(&r);
    for (size_t i = 0; i < p->m; i++)
        p->b[i] = rng_below(&r, 8) == 0 ? 1 : -1;
    for (size_t i = 0; i < p->n; i++) {
        float size = values == WHOLE ? 1 + (float)rng_below(&r, 2)
                                     : expf(0.2f * rng_normal(&r));
        if (i % 9 == 4)
            size = 0;
        for (size_t j = 0; j < p->d; j++)
            p->x[i * p->d + j] =
                size * (values == WHOLE ? (float)rng_below(&r, 9) - 4
                                        : rng_normal(&r));
    }
}

/* Selects with `guess` on a fresh forward or on one that is there. */
static void select_into(struct codes *out, struct problem *p, struct forward *f,
                        struct guess *guess)
{
    struct err e;
    struct selection rule = {.rule = RULE_TOPK, .k = p->k, .guess = guess};
    assert_int_equal(forward_run(f, &p->enc, &rule, p->x, p->n, out, &e), 0);
}

/* What is right for p->x. */
static void select_plainly(struct problem *p)
{
    struct forward f;
    struct err e;
    assert_int_equal(forward_init(&f, &p->team, &e), 0);
    select_into(&p->plain, p, &f, NULL);
    forward_free(&f);
}

static struct problem problem_make(const size_t shape[4], enum values values,
                                   enum encoder_precision precision,
                                   int threads)
{
    struct problem p = {
        .n = shape[0], .d = shape[1], .m = shape[2], .k = shape[3]};
    struct err e;
    p.team = team_make(threads);
    p.x = malloc(p.n * p.d * sizeof *p.x);
    p.w = malloc(p.m * p.d * sizeof *p.w);
    p.b = malloc(p.m * sizeof *p.b);
    assert_true(p.x && p.w && p.b);
    fill(&p, values, (uint32_t)(p.n + p.d + p.m));
    assert_int_equal(encoder_init(&p.enc, p.d, p.m, precision, &e), 0);
    encoder_set(&p.enc, p.w, p.b, NULL, p.m);
    encoder_pack(&p.enc, &p.team);
    select_plainly(&p);
    return p;
}

static void problem_free(struct problem *p)
{
    codes_free(&p->plain);
    encoder_free(&p->enc);
    free(p->x);
    free(p->w);
    free(p->b);
}

static void assert_same(const struct codes *a, const struct codes *b)
{
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->start, b->start, (a->n + 1) * sizeof *a->start);
    size_t n = a->start[a->n];
    if (n == 0)
        return;
    assert_memory_equal(a->feature, b->feature, n * sizeof *a->feature);
    assert_memory_equal(a->value, b->value, n * sizeof *a->value);
}

/* Returns how many rows were looked at again. */
static size_t check_guess(struct problem *p, struct forward *f, float ratio)
{
    struct guess guess = {.ratio = ratio};
    struct codes codes = {0};
    select_into(&codes, p, f, &guess);
    assert_same(&codes, &p->plain);
    codes_free(&codes);
    return f->again.n;
}

/* The k-th value of row r over the row's norm; 0 if it has fewer. */
static float ratio_of(const struct problem *p, size_t r)
{
    const struct codes *c = &p->plain;
    double square = 0;
    for (size_t j = 0; j < p->d; j++)
        square += (double)p->x[r * p->d + j] * (double)p->x[r * p->d + j];
    if (c->start[r + 1] - c->start[r] < p->k || square == 0)
        return 0;
    float last = INFINITY;
    for (size_t i = c->start[r]; i < c->start[r + 1]; i++)
        last = c->value[i] < last ? c->value[i] : last;
    return (float)((double)last / sqrt(square));
}

/* One slab and several, exact and coarse (from d 128 on), k of 1 and of all. */
static const size_t shapes[][4] = {
    {1, 3, 5, 2},      {1, 130, 3000, 9},    {40, 2, 30, 30},
    {300, 16, 64, 4},  {257, 130, 500, 16},  {200, 130, 700, 1},
    {150, 8, 3000, 8}, {150, 130, 3000, 32}, {600, 201, 3000, 16},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

typedef void check_fn(struct problem *p);

static void check_all(check_fn *check)
{
    static const int threads[] = {1, 2, 7};
    for (size_t i = 0; i < 4 * SHAPES; i++) {
        struct problem p = problem_make(shapes[i / 4], i & 1 ? NORMAL : WHOLE,
                                        i & 2 ? ENCODER_COARSE : ENCODER_EXACT,
                                        threads[i % 3]);
        check(&p);
        problem_free(&p);
    }
}

/* Guesses among the rows' own, where a k-th is now a little above and now a
 * little below: in a coarse product candidates on both sides of it are not
 * certain, and counting them as if they were loses a feature. */
static void check_near(struct problem *p)
{
    struct forward f;
    struct err e;
    assert_int_equal(forward_init(&f, &p->team, &e), 0);
    for (size_t r = 0; r < p->n; r += 1 + p->n / 16)
        for (int side = -1; side <= 1; side++)
            (void)check_guess(p, &f,
                              ratio_of(p, r) * (1 + 0.02f * (float)side));
    forward_free(&f);
}

static void test_guess_near_the_cut(void **state)
{
    (void)state;
    check_all(check_near);
}

/* Too high, every row with an h is looked at again; too low, none is; what is
 * not a bar is no guess. */
static void check_absurd(struct problem *p)
{
    static const float none[] = {0, -1, -INFINITY, NAN, 1e-30f};
    struct forward f;
    struct err e;
    assert_int_equal(forward_init(&f, &p->team, &e), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(check_guess(p, &f, none[i]), 0);
    size_t zero = 0;
    for (size_t r = 4; r < p->n; r += 9)
        zero++;
    assert_int_equal(check_guess(p, &f, 1e9f), p->n - zero);
    assert_int_equal(check_guess(p, &f, INFINITY), p->n - zero);
    (void)check_guess(p, &f, none[4]);
    forward_free(&f);
}

static void test_absurd_guesses(void **state)
{
    (void)state;
    check_all(check_absurd);
}

/* Rows that are not finite have no k-th. They stay empty or what they were, and
 * so do their neighbours. */
static void check_not_finite(struct problem *p)
{
    struct forward f;
    struct err e;
    struct guess guess = {0};
    struct codes codes = {0};
    p->x[0] = NAN;
    for (size_t r = 5; r < p->n; r += 50) {
        p->x[r * p->d] = NAN;
        p->x[(r + 1) % p->n * p->d] = INFINITY;
    }
    select_plainly(p);
    assert_int_equal(forward_init(&f, &p->team, &e), 0);
    for (int batch = 0; batch < 3; batch++) {
        select_into(&codes, p, &f, &guess);
        assert_same(&codes, &p->plain);
        assert_true(guess.ratio >= 0);
    }
    for (size_t r = 1; r < p->n; r += 1 + p->n / 4)
        (void)check_guess(p, &f, ratio_of(p, r));
    (void)check_guess(p, &f, 1e9f);
    codes_free(&codes);
    forward_free(&f);
}

static void test_rows_not_finite(void **state)
{
    (void)state;
    check_all(check_not_finite);
}

/* No h above zero, and fewer than k. */
static void check_few(struct problem *p)
{
    struct forward f;
    struct err e;
    assert_int_equal(forward_init(&f, &p->team, &e), 0);
    for (size_t most = 0; most < p->k; most += 1 + p->k / 2) {
        for (size_t i = 0; i < p->m; i++)
            p->b[i] = i < most ? 1e6f : -1e6f;
        encoder_pack(&p->enc, &p->team);
        select_plainly(p);
        assert_int_equal(p->plain.start[p->n], most * p->n);
        static const float guess[] = {0, 1e-3f, 1, 1e3f, 1e9f};
        for (size_t i = 0; i < 5; i++)
            (void)check_guess(p, &f, guess[i]);
    }
    forward_free(&f);
}

static void test_fewer_than_k(void **state)
{
    (void)state;
    check_all(check_few);
}

/* Batches of very different sizes after each other, on one guess. */
static void check_series(struct problem *p)
{
    static const float scale[] = {1, 100, 1e-4f, 1e-2f, 1, 1, 3};
    struct forward f;
    struct err e;
    struct guess guess = {0};
    struct codes codes = {0};
    assert_int_equal(forward_init(&f, &p->team, &e), 0);
    for (size_t i = 0; i < sizeof scale / sizeof *scale; i++) {
        kernels.scale(p->x, scale[i], p->n * p->d);
        select_plainly(p);
        select_into(&codes, p, &f, &guess);
        assert_same(&codes, &p->plain);
    }
    codes_free(&codes);
    forward_free(&f);
}

static void test_series_of_batches(void **state)
{
    (void)state;
    check_all(check_series);
}

/* Rows drawn alike. Their first number is an outlier that no feature listens
 * to, which only widens the margin of a coarse product. */
static void draw_alike(struct problem *p, uint32_t lane)
{
    struct rng r = rng_at(4, RNG_TEST, lane);
    for (size_t i = 0; i < p->n * p->d; i++)
        p->x[i] = i % p->d == 0 ? 12 : rng_normal(&r);
    for (size_t f = 0; f < p->m; f++)
        p->w[f * p->d] = 0;
    encoder_pack(&p->enc, &p->team);
    select_plainly(p);
}

/* What a batch teaches is neither useless nor too high for the next: of one
 * drawn alike few rows are looked at again, and hits are few. */
static void test_guess_is_learned(void **state)
{
    (void)state;
    static const size_t shape[] = {4096, 130, 3000, 16};
    for (int coarse = 0; coarse < 2; coarse++) {
        struct problem p = problem_make(
            shape, NORMAL, coarse ? ENCODER_COARSE : ENCODER_EXACT, 2);
        struct forward f;
        struct err e;
        struct guess guess = {0};
        struct codes codes = {0};
        assert_int_equal(forward_init(&f, &p.team, &e), 0);
        draw_alike(&p, 0);
        select_into(&codes, &p, &f, &guess);
        assert_int_equal(f.again.n, 0);
        draw_alike(&p, 1);
        select_into(&codes, &p, &f, &guess);
        assert_same(&codes, &p.plain);
        size_t hits = 0;
        for (size_t i = 0; i < f.cut.blocks * f.cut.slabs; i++)
            hits += f.pieces[i].n;
        if (f.again.n > p.n / 50 || hits > 10 * p.n * p.k)
            fail_msg("%zu rows again, %zu hits", f.again.n, hits);
        codes_free(&codes);
        forward_free(&f);
        problem_free(&p);
    }
}

/* The guess falls with one batch and rises only when two agree; a few rows say
 * nothing. */
static void test_guess_takes_the_lower(void **state)
{
    (void)state;
    static const size_t shape[] = {300, 16, 64, 4};
    struct problem p = problem_make(shape, NORMAL, ENCODER_EXACT, 2);
    for (size_t r = 4; r < p.n; r += 9)
        memcpy(p.x + r * p.d, p.x + (r - 1) * p.d, p.d * sizeof *p.x);
    struct forward f;
    struct err e;
    struct guess guess = {0};
    struct codes codes = {0};
    assert_int_equal(forward_init(&f, &p.team, &e), 0);
    select_into(&codes, &p, &f, &guess);
    float first = guess.ratio;
    /* b is -1 for most features: it counts more in smaller rows. */
    kernels.scale(p.x, 0.5f, p.n * p.d);
    select_into(&codes, &p, &f, &guess);
    float low = guess.ratio;
    assert_true(low < first);
    kernels.scale(p.x, 2, p.n * p.d);
    select_into(&codes, &p, &f, &guess);
    assert_true(guess.ratio == low);
    select_into(&codes, &p, &f, &guess);
    assert_true(guess.ratio == first);
    p.n = 100;
    kernels.scale(p.x, 0.5f, p.n * p.d);
    select_into(&codes, &p, &f, &guess);
    assert_true(guess.ratio == first);
    codes_free(&codes);
    forward_free(&f);
    problem_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guess_near_the_cut),
        cmocka_unit_test(test_absurd_guesses),
        cmocka_unit_test(test_rows_not_finite),
        cmocka_unit_test(test_fewer_than_k),
        cmocka_unit_test(test_series_of_batches),
        cmocka_unit_test(test_guess_is_learned),
        cmocka_unit_test(test_guess_takes_the_lower),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
