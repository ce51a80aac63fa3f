/* SPDX-License-Identifier: MIT
 *
 * The benchmark's dense step against the training step: both must do the same
 * work, or their ratio says nothing. Catches a product that is left out, a mask
 * or a projection that is wrong, a clip that differs.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bench/dense.h"
#include "bench/problem.h"

/* Adam turns a gradient that is nothing but rounding into a whole step, so
 * single weights may differ; what all moved must not, by a thousandth. */
static void assert_close(const float *a, const float *b, const float *begin,
                         size_t n, const char *what)
{
    double apart = 0, moved = 0;
    for (size_t i = 0; i < n; i++) {
        apart += pow((double)a[i] - (double)b[i], 2);
        moved += pow((double)b[i] - (double)begin[i], 2);
    }
    assert_true(moved > 0);
    if (!(apart <= 1e-3 * moved))
        fail_msg("%s: moved %.3g, apart %.3g", what, sqrt(moved), sqrt(apart));
}

/* With AuxK ours looks at all rows, as the dense step does. */
static void check_steps(double dead)
{
    const struct problem_shape shape = {.d = 20,
                                        .m = 150,
                                        .k = 4,
                                        .n = 70,
                                        .seed = 3,
                                        .dead = dead,
                                        .aux_parts = 1};
    struct team team = team_make(2);
    struct problem q;
    struct parameters p, dense_p, begin;
    struct step step;
    struct dense dense;
    struct err e;
    assert_int_equal(problem_draw(&q, &shape, &team, &e), 0);
    assert_int_equal(problem_parameters(&p, &q, &team, &e), 0);
    assert_int_equal(problem_parameters(&dense_p, &q, &team, &e), 0);
    assert_int_equal(problem_parameters(&begin, &q, &team, &e), 0);
    assert_int_equal(step_init(&step, &p, &team, shape.n, &e), 0);
    step_pack(&step);
    assert_int_equal(dense_init(&dense, &dense_p, &team, shape.n, &e), 0);
    static uint64_t silent[150];
    for (uint64_t t = 1; t <= 6; t++) {
        struct step_plan plan = problem_plan(&q, t);
        struct step_result ours, theirs;
        plan.rate = 1e-3;
        problem_kill(&q, step.silent);
        problem_kill(&q, silent);
        assert_int_equal(
            step_run(&step, problem_rows(&q, t), shape.n, &plan, &ours, &e), 0);
        assert_int_equal(
            dense_step(&dense, problem_rows(&q, t), &plan, silent, &theirs, &e),
            0);
        assert_true(fabs(ours.loss - theirs.loss) < 1e-4 * theirs.loss);
    }
    size_t weights = shape.m * shape.d;
    assert_close(p.w_enc.w, dense_p.w_enc.w, begin.w_enc.w, weights, "W_enc");
    assert_close(p.w_dec.w, dense_p.w_dec.w, begin.w_dec.w, weights, "W_dec");
    assert_close(p.b_enc.w, dense_p.b_enc.w, begin.b_enc.w, shape.m, "b_enc");
    assert_close(p.b_dec.w, dense_p.b_dec.w, begin.b_dec.w, shape.d, "b_dec");
    dense_free(&dense);
    step_free(&step);
    parameters_free(&p);
    parameters_free(&dense_p);
    parameters_free(&begin);
    problem_free(&q);
}

static void steps_agree(void **state)
{
    (void)state;
    check_steps(0);
}

static void steps_with_dead_features_agree(void **state)
{
    (void)state;
    check_steps(0.3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_agree),
        cmocka_unit_test(steps_with_dead_features_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
