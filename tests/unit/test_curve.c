/* SPDX-License-Identifier: MIT
 *
 * The training curve's rows: how many, which, and that measuring them leaves
 * the step as it was. What the figures are, tests/cli/eval.sh compares.
 */
#include "tests/unit/scratch.h"

#include "base/rng.h"
#include "train/curve.h"

enum { D = 16, M = 64, SAMPLE = 1000, BATCH = 300, K = 4 };

static float sample[SAMPLE * D], training[SAMPLE * D];

static int begin(void **state)
{
    struct rng r = rng_at(1, RNG_TEST, 7);
    for (size_t i = 0; i < (size_t)SAMPLE * D; i++) {
        sample[i] = rng_normal(&r);
        training[i] = rng_normal(&r);
    }
    return scratch_begin(state);
}

static const struct input input = {
    .d = D, .scale = 2, .sample = sample, .sample_rows = SAMPLE};

/* A 32nd of the rows between two points, within bounds. Catches a curve that
 * takes as long as the training. */
static void test_how_many_rows(void **state)
{
    (void)state;
    assert_int_equal(curve_rows(8, 4096), 1024);
    assert_int_equal(curve_rows(19, 1024), 608);
    assert_int_equal(curve_rows(1, 4096), 256);
    assert_int_equal(curve_rows(1, 64), 64);
    assert_int_equal(curve_rows(1000, 1024), 1024);
    assert_int_equal(curve_rows(1000000000, 65536), 4096);
}

/* Evenly spread over both samples, scaled. Catches a curve of the first
 * contexts only, and a gap between rows of two scales. */
static void test_rows_are_spread(void **state)
{
    (void)state;
    struct curve c;
    struct err e;
    assert_int_equal(curve_init(&c, &input, training, 500, 250, &e), 0);
    assert_int_equal(c.rows, 250);
    assert_int_equal(c.train_rows, 250);
    for (size_t i = 0; i < 250; i++)
        for (size_t j = 0; j < D; j++) {
            assert_true(c.held_out[i * D + j] == 2 * sample[4 * i * D + j]);
            assert_true(c.train[i * D + j] == 2 * training[2 * i * D + j]);
        }
    curve_free(&c);
    /* No more than there are, each once. */
    assert_int_equal(curve_init(&c, &input, training, 3, 2000, &e), 0);
    assert_int_equal(c.rows, SAMPLE);
    assert_int_equal(c.train_rows, 3);
    for (size_t i = 0; i < (size_t)SAMPLE * D; i++)
        assert_true(c.held_out[i] == 2 * sample[i]);
    curve_free(&c);
}

/* Twice the same figures, and a step behind them as without. Catches counters
 * of dead features, moments or a norm that measuring moves. */
static void test_measuring_changes_nothing(void **state)
{
    (void)state;
    const struct step_plan plan = {.rule = RULE_BATCH_TOPK,
                                   .k = K,
                                   .rate = 1e-3,
                                   .t = 1,
                                   .aux = 0.03,
                                   .aux_parts = 1,
                                   .dead_tokens = 200};
    struct team team = team_make(2);
    struct parameters p[2];
    struct step s[2];
    struct curve c;
    struct err e;
    assert_int_equal(curve_init(&c, &input, training, SAMPLE, BATCH, &e), 0);
    for (int i = 0; i < 2; i++) {
        struct step_result result;
        double fvu = 0, train_fvu = 0;
        assert_int_equal(parameters_init(&p[i], D, M, &e), 0);
        parameters_draw(&p[i], 3, &team);
        assert_int_equal(step_init(&s[i], &p[i], &team, BATCH, &e), 0);
        step_pack(&s[i]);
        assert_int_equal(step_run(&s[i], training, BATCH, &plan, &result, &e),
                         0);
        for (int again = 0; i == 1 && again < 2; again++) {
            assert_int_equal(curve_measure(&c, &s[i], &plan, 2, &e), 0);
            assert_true(again == 0 || (fvu == metrics_fvu(&c.figures) &&
                                       train_fvu == c.train_fvu));
            fvu = metrics_fvu(&c.figures);
            train_fvu = c.train_fvu;
        }
        assert_int_equal(step_run(&s[i], sample, BATCH, &plan, &result, &e), 0);
    }
    assert_memory_equal(p[0].w_enc.w, p[1].w_enc.w, sizeof(float) * M * D);
    assert_memory_equal(p[0].w_dec.v, p[1].w_dec.v, sizeof(float) * M * D);
    assert_memory_equal(s[0].silent, s[1].silent, sizeof(uint64_t) * M);
    assert_true(s[0].norm == s[1].norm);
    for (int i = 0; i < 2; i++) {
        step_free(&s[i]);
        parameters_free(&p[i]);
    }
    curve_free(&c);
}

/* What a checkpoint counted stays, in the same folder and in another one, and
 * what came behind it goes. */
static void test_file_goes_on(void **state)
{
    (void)state;
    struct curve c = {.rows = 0};
    struct err e = {0};
    uint64_t bytes = 0;
    char text[16] = {0};
    write_text("metrics.jsonl", "one\ntwo\nthree\n");
    assert_int_equal(mkdir("other", 0777), 0);
    for (int i = 0; i < 2; i++) {
        const char *folder = i == 0 ? "other" : ".";
        assert_int_equal(curve_go_on(&c, folder, ".", 8, &e), 0);
        assert_true(fputs("3\n", c.file) >= 0);
        assert_int_equal(curve_sync(&c, &bytes, &e), 0);
        assert_int_equal(bytes, 10);
        assert_int_equal(curve_end(&c, &e), 0);
        FILE *f = fopen(i == 0 ? "other/metrics.jsonl" : "metrics.jsonl", "r");
        assert_non_null(f);
        assert_int_equal(fread(text, 1, sizeof text, f), 10);
        assert_int_equal(fclose(f), 0);
        assert_memory_equal(text, "one\ntwo\n3\n", 10);
    }
    assert_true(curve_go_on(&c, ".", ".", 11, &e) != 0);
    assert_non_null(strstr(e.msg, "is shorter than its checkpoint"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_how_many_rows),
        cmocka_unit_test(test_rows_are_spread),
        cmocka_unit_test(test_measuring_changes_nothing),
        cmocka_unit_test(test_file_goes_on),
    };
    return cmocka_run_group_tests(tests, begin, scratch_end);
}
