/* SPDX-License-Identifier: MIT
 *
 * Catches: an exponential that is inexact or wraps around somewhere in its
 * range, sums that miss the end of a row, and NaN smoothed into a number.
 */
#include "scratch.h"

#include <math.h>

#include "base/rng.h"
#include "capture/pointwise.h"

static void activations_follow_their_formulas(void **state)
{
    (void)state;
    for (int i = -4000; i <= 4000; i++) {
        double x = i * 0.01, u = sqrt(2 / 3.14159265358979323846) *
                                 (x + 0.044715 * x * x * x);
        float gelu_new = (float)x, gelu = (float)x, relu = (float)x;
        pointwise_activate(ACTIVATION_GELU_NEW, &gelu_new, 1);
        pointwise_activate(ACTIVATION_GELU, &gelu, 1);
        pointwise_activate(ACTIVATION_RELU, &relu, 1);
        double bound = 1e-6 * (1 + fabs(x));
        assert_true(fabs(gelu_new - x / 2 * (1 + tanh(u))) < bound);
        assert_true(fabs(gelu - x / 2 * (1 + erf(x / sqrt(2)))) < bound);
        assert_true(fabs(relu - fmax(x, 0)) < bound);
    }
}

static void softmax_follows_its_formula(void **state)
{
    (void)state;
    struct rng r = rng_at(3, RNG_TEST, 0);
    for (size_t n = 1; n < 70; n++) {
        float x[70];
        double e[70], sum = 0;
        for (size_t i = 0; i < n; i++) {
            x[i] = 10 * rng_normal(&r) + 1000;
            e[i] = exp((double)x[i] - 1000);
            sum += e[i];
        }
        pointwise_softmax(x, n);
        for (size_t i = 0; i < n; i++)
            assert_true(fabs(x[i] - e[i] / sum) < 1e-6);
    }
}

/* What is not finite must be seen, not smoothed over. */
static void softmax_keeps_what_is_not_finite(void **state)
{
    (void)state;
    const float bad[] = {NAN, INFINITY};
    for (int i = 0; i < 2; i++) {
        float x[20] = {0};
        x[17] = bad[i];
        pointwise_softmax(x, 20);
        assert_true(isnan(x[17]) && isnan(x[0]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_follow_their_formulas),
        cmocka_unit_test(softmax_follows_its_formula),
        cmocka_unit_test(softmax_keeps_what_is_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
