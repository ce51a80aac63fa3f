/* SPDX-License-Identifier: MIT
 *
 * Ten training steps of each architecture against PyTorch's autograd in double
 * (tests/golden/make_steps_golden.py, which says what the file holds): the loss
 * before every step and all parameters after the last. Catches what a gradient
 * alone does not show: which norm clips, what is projected, Adam's corrections,
 * when a feature counts as dead.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dump/safetensors.h"
#include "train/step.h"

/* As in the script. */
enum { STEPS = 10, N = 24, D = 12, M = 48, K = 4 };
static const double rate = 3e-3, alpha = 1.0 / 32;

/* Ten steps of Adam move a weight by up to 0.03. Rounding came to 3e-7 on all
 * tiers, of weights up to 1; losses are near 30. */
static const double tolerance = 3e-6, loss_tolerance = 3e-5;

static struct safetensors golden;

static const float *find(const char *group, const char *name, size_t count)
{
    char full[64];
    (void)snprintf(full, sizeof full, "%s%s%s", group, *group ? "." : "", name);
    const struct tensor *t = safetensors_find(&golden, full);
    if (t == NULL || t->dtype != DTYPE_F32 || tensor_count(t) != count)
        fail_msg("steps.safetensors: no %s of %zu numbers", full, count);
    return t->data;
}

static void assert_near(const float *got, const char *group, const char *name,
                        size_t count)
{
    const float *want = find(group, name, count);
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - (double)want[i]) <= tolerance))
            fail_msg("%s.%s[%zu]: got %.9g, want %.9g", group, name, i,
                     (double)got[i], (double)want[i]);
}

static void start(struct parameters *p)
{
    memcpy(p->w_enc.w, find("start", "W_enc", M * D), M * D * sizeof(float));
    memcpy(p->w_dec.w, find("start", "W_dec", M * D), M * D * sizeof(float));
    memcpy(p->b_enc.w, find("start", "b_enc", M), M * sizeof(float));
    memcpy(p->b_dec.w, find("start", "b_dec", D), D * sizeof(float));
}

static void check(const char *name, const struct step_plan *fixed)
{
    struct err e = {0};
    struct team team = team_make(2);
    struct parameters p;
    struct step s;
    const float *batches = find("", "batches", STEPS * N * D);
    const float *loss = find(name, "loss", STEPS);
    assert_int_equal(parameters_init(&p, D, M, &e), 0);
    start(&p);
    assert_int_equal(step_init(&s, &p, &team, N, &e), 0);
    step_pack(&s);
    for (size_t i = 0; i < STEPS; i++) {
        struct step_plan plan = *fixed;
        struct step_result result;
        plan.t = i + 1;
        assert_int_equal(
            step_run(&s, batches + i * N * D, N, &plan, &result, &e), 0);
        if (!(fabs(result.loss - (double)loss[i]) <= loss_tolerance))
            fail_msg("%s: loss of step %zu: got %.9g, want %.9g", name, i + 1,
                     result.loss, (double)loss[i]);
    }
    assert_near(p.w_enc.w, name, "W_enc", M * D);
    assert_near(p.w_dec.w, name, "W_dec", M * D);
    assert_near(p.b_enc.w, name, "b_enc", M);
    assert_near(p.b_dec.w, name, "b_dec", D);
    step_free(&s);
    parameters_free(&p);
}

static struct step_plan plan_of(enum rule rule, bool prefixes, bool aux)
{
    struct step_plan plan = {.rule = rule, .k = K, .rate = rate};
    if (prefixes)
        plan.groups = (struct groups){.n = 4, .end = {3, 12, 30, M}};
    if (aux) {
        plan.aux = alpha;
        plan.aux_parts = 1;
        plan.dead_tokens = 2 * N;
    }
    return plan;
}

static void test_topk(void **state)
{
    (void)state;
    struct step_plan plan = plan_of(RULE_TOPK, false, false);
    check("topk", &plan);
}

static void test_batchtopk(void **state)
{
    (void)state;
    struct step_plan plan = plan_of(RULE_BATCH_TOPK, false, false);
    check("batchtopk", &plan);
}

static void test_matryoshka(void **state)
{
    (void)state;
    struct step_plan plan = plan_of(RULE_BATCH_TOPK, true, false);
    check("matryoshka", &plan);
}

/* AuxK in its full form, on all rows. */
static void test_auxk(void **state)
{
    (void)state;
    struct step_plan plan = plan_of(RULE_BATCH_TOPK, false, true);
    check("batchtopk_aux", &plan);
    plan = plan_of(RULE_BATCH_TOPK, true, true);
    check("matryoshka_aux", &plan);
}

static int begin(void **state)
{
    (void)state;
    struct err e = {0};
    return safetensors_open(&golden,
                            SOURCE_DIR "/tests/golden/steps.safetensors", &e);
}

static int end(void **state)
{
    (void)state;
    safetensors_close(&golden);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topk),
        cmocka_unit_test(test_batchtopk),
        cmocka_unit_test(test_matryoshka),
        cmocka_unit_test(test_auxk),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
