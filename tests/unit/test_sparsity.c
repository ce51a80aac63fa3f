/* SPDX-License-Identifier: MIT
 *
 * The penalty's controller against a process whose L0 answers late, the power's
 * schedule, and resampling.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "train/controller.h"
#include "train/resample.h"

/* ---- the controller ---- */

enum { STEPS = 1000 };

/* What a step says of an L0 that follows 1000/(1 + gain·λ) with a lag of `lag`
 * steps; its logarithm moves by at most `most` a step. */
static double respond(double l0, double lambda, double gain, double lag,
                      double most)
{
    double goal = log(1000 / (1 + gain * lambda)) - log(l0);
    return l0 * exp(fmax(fmin(goal / lag, most), -most));
}

static void check_steering(double gain, double lag, double most)
{
    const struct sparsity s = {.kind = PENALTY_LP,
                               .steered = true,
                               .target = 16,
                               .spread = 256,
                               .warmup_until = 300,
                               .p_end = 1};
    struct controller c = {0};
    double l0 = 1000;
    for (uint64_t t = 1; t <= STEPS; t++) {
        double lambda = controller_penalty(&c, &s, t).weight;
        assert_true(lambda >= 0 && isfinite(lambda));
        l0 = respond(l0, lambda, gain, lag, most);
        const struct step_result result = {
            .l0 = l0, .sum = l0 / 8, .error = 40};
        controller_observe(&c, &s, t, STEPS, &result);
    }
    if (!(fabs(l0 / s.target - 1) < 0.05))
        fail_msg("gain %g, lag %g: L0 %g", gain, lag, l0);
}

/* Whatever unit λ has, however late L0 answers, it ends within 5 %. */
static void test_steering_reaches_the_target(void **state)
{
    (void)state;
    check_steering(10, 5, 1);
    check_steering(100, 20, 1);
    check_steering(3000, 20, 1);
    /* An L0 that no λ makes faster; catches one that rises all the while. */
    check_steering(100, 5, 0.01);
}

static void test_a_fixed_coefficient_rises(void **state)
{
    (void)state;
    const struct sparsity s = {
        .kind = PENALTY_LP, .lambda = 2, .warmup_until = 100, .p_end = 1};
    struct controller c = {0};
    assert_true(controller_penalty(&c, &s, 1).weight == 0.02);
    assert_true(controller_penalty(&c, &s, 50).weight == 1);
    assert_true(controller_penalty(&c, &s, 100).weight == 2);
    assert_true(controller_penalty(&c, &s, 900).weight == 2);
    assert_true(controller_penalty(&c, &s, 900).p == 1);
}

/* The power falls in a line; λ keeps the penalty as large as L1 would be. */
static void test_the_power_falls(void **state)
{
    (void)state;
    const struct sparsity s = {.kind = PENALTY_LP,
                               .lambda = 2,
                               .p_end = 0.5,
                               .p_from = 100,
                               .p_until = 200};
    struct controller c = {0};
    const struct step_result result = {.sum = 30, .l1 = 10};
    controller_observe(&c, &s, 1, STEPS, &result);
    assert_true(controller_penalty(&c, &s, 100).p == 1);
    assert_true(controller_penalty(&c, &s, 100).weight == 2);
    assert_true(controller_penalty(&c, &s, 150).p == 0.75);
    assert_true(fabs(controller_penalty(&c, &s, 150).weight - 2.0 / 3) < 1e-12);
    assert_true(controller_penalty(&c, &s, 700).p == 0.5);
}

/* ---- resampling ---- */

static void test_when_features_are_resampled(void **state)
{
    (void)state;
    const struct resampling r = {.times = 2, .every = 100, .window = 30};
    for (uint64_t t = 1; t <= 500; t++) {
        assert_int_equal(resample_is_due(&r, t), t == 100 || t == 200);
        assert_int_equal(resample_begins_window(&r, t), t == 70 || t == 170);
        assert_int_equal(resample_last(&r, t), t <= 100   ? 0
                                               : t <= 200 ? 100
                                                          : 200);
    }
    const struct resampling off = {.every = 100};
    assert_false(resample_is_due(&off, 100));
    assert_int_equal(resample_last(&off, 300), 0);
}

enum { D = 6, M = 20, N = 40 };

/* Which of the rows x (n, d) feature i begins at; n: none. */
static size_t row_of(const struct parameters *p, const float *x, size_t i)
{
    for (size_t r = 0; r < N; r++) {
        double dot = 0, square = 0;
        for (size_t j = 0; j < D; j++) {
            double v = (double)(x[r * D + j] - p->b_dec.w[j]);
            dot += v * (double)p->w_dec.w[i * D + j];
            square += v * v;
        }
        if (fabs(dot / sqrt(square) - 1) < 1e-6)
            return r;
    }
    return N;
}

static double norm_of(const float *row)
{
    double square = 0;
    for (size_t j = 0; j < D; j++)
        square += (double)row[j] * (double)row[j];
    return sqrt(square);
}

static void test_the_dead_begin_anew(void **state)
{
    (void)state;
    struct err e;
    struct team team = team_make(2);
    struct parameters p;
    struct step s;
    float x[N * D], before[M * D];
    struct rng rng = rng_at(1, RNG_TEST, 0);
    const struct resampling how = {
        .times = 1, .every = 10, .window = 5, .below = 0.01};
    const struct step_plan plan = {.rule = RULE_POSITIVE, .t = 10};
    bool taken[N] = {false};
    size_t count;
    for (size_t i = 0; i < N * D; i++)
        x[i] = rng_normal(&rng);
    assert_int_equal(parameters_init(&p, D, M, &e), 0);
    parameters_draw(&p, 2, &team);
    for (size_t i = 0; i < M * D; i++) {
        p.w_enc.w[i] *= 3;
        p.w_enc.m[i] = p.w_dec.m[i] = p.w_enc.v[i] = p.w_dec.v[i] = 1;
    }
    /* A batch is smaller than the sample of rows. */
    assert_int_equal(step_init(&s, &p, &team, N / 3, &e), 0);
    step_pack(&s);
    for (size_t i = 0; i < M; i++)
        s.fired[i] = i % 4 == 0 ? 0 : 50;
    memcpy(before, p.w_dec.w, sizeof before);
    assert_int_equal(resample(&s, &how, x, N, &plan, 3, &count, &e), 0);
    assert_int_equal(count, M / 4);
    for (size_t i = 0; i < M; i++) {
        const float *enc = p.w_enc.w + i * D;
        size_t row = row_of(&p, x, i);
        if (i % 4 != 0) {
            assert_memory_equal(p.w_dec.w + i * D, before + i * D,
                                D * sizeof *before);
            assert_true(p.w_enc.m[i * D] == 1);
            continue;
        }
        assert_true(row < N && !taken[row]);
        taken[row] = true;
        assert_true(fabs(norm_of(enc) - 0.2 * 3) < 1e-5);
        for (size_t j = i * D; j < (i + 1) * D; j++)
            assert_true(p.w_enc.m[j] == 0 && p.w_enc.v[j] == 0 &&
                        p.w_dec.m[j] == 0 && p.w_dec.v[j] == 0);
    }
    step_free(&s);
    parameters_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steering_reaches_the_target),
        cmocka_unit_test(test_a_fixed_coefficient_rises),
        cmocka_unit_test(test_the_power_falls),
        cmocka_unit_test(test_when_features_are_resampled),
        cmocka_unit_test(test_the_dead_begin_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
