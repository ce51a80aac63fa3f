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
static const double lambda = 0.4, target = 6, pull = 0.2;
static const float bandwidth = 0.3f;

/* Ten steps of Adam move a weight by up to 0.03. Rounding came to 3e-7 on all
 * tiers, of weights up to 1; losses, near 30, came to 9e-5, as Adam's constants
 * are rounded and so all weights are off the same way. */
static const double tolerance = 3e-6, loss_tolerance = 2e-4;

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
    if (p->threshold.w != NULL)
        memcpy(p->threshold.w, find("start", "threshold", M),
               M * sizeof(float));
    if (p->b_mag.w != NULL) {
        memcpy(p->r_mag.w, find("start", "r_mag", M), M * sizeof(float));
        memcpy(p->b_mag.w, find("start", "b_mag", M), M * sizeof(float));
    }
}

enum form { PLAIN, JUMPRELU, GATED };

/* How a case differs from the default step. */
struct how {
    enum form form;
    bool free_rows, no_beta1;
};

static void check(const char *name, const struct step_plan *fixed,
                  const struct how *how)
{
    struct err e = {0};
    struct team team = team_make(2);
    struct parameters p;
    struct step s;
    const float *batches = find("", "batches", STEPS * N * D);
    const float *loss = find(name, "loss", STEPS);
    assert_int_equal(parameters_init(&p, D, M, &e), 0);
    if (how->form == JUMPRELU)
        assert_int_equal(parameters_add_threshold(&p, &e), 0);
    if (how->form == GATED)
        assert_int_equal(parameters_add_gate(&p, &e), 0);
    start(&p);
    assert_int_equal(step_init(&s, &p, &team, N, &e), 0);
    s.optimiser.free_rows = how->free_rows;
    if (how->no_beta1)
        s.optimiser.beta1 = 0;
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
    if (how->form == JUMPRELU)
        assert_near(p.threshold.w, name, "threshold", M);
    if (how->form == GATED) {
        assert_near(p.r_mag.w, name, "r_mag", M);
        assert_near(p.b_mag.w, name, "b_mag", M);
    }
    step_free(&s);
    parameters_free(&p);
}

static const struct how plain = {.form = PLAIN};

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
    check("topk", &plan, &plain);
}

static void test_batchtopk(void **state)
{
    (void)state;
    struct step_plan plan = plan_of(RULE_BATCH_TOPK, false, false);
    check("batchtopk", &plan, &plain);
}

static void test_matryoshka(void **state)
{
    (void)state;
    struct step_plan plan = plan_of(RULE_BATCH_TOPK, true, false);
    check("matryoshka", &plan, &plain);
}

/* AuxK in its full form, on all rows. */
static void test_auxk(void **state)
{
    (void)state;
    struct step_plan plan = plan_of(RULE_BATCH_TOPK, false, true);
    check("batchtopk_aux", &plan, &plain);
    plan = plan_of(RULE_BATCH_TOPK, true, true);
    check("matryoshka_aux", &plan, &plain);
}

static struct step_plan term_plan(enum rule rule, enum penalty_kind kind)
{
    struct step_plan plan = plan_of(rule, false, false);
    plan.penalty = (struct penalty){
        .kind = kind, .weight = lambda, .p = 1, .target = target};
    plan.bandwidth = bandwidth;
    plan.dead_tokens = 2 * N;
    return plan;
}

static void test_relu(void **state)
{
    (void)state;
    struct step_plan plan = term_plan(RULE_POSITIVE, PENALTY_LP);
    check("relu", &plan, &plain);
    check("relu_free", &plan, &(struct how){.free_rows = true});
    plan.penalty.p = 0.5;
    check("relu_lp", &plan, &plain);
}

static void test_jumprelu(void **state)
{
    (void)state;
    struct how how = {.form = JUMPRELU};
    struct step_plan plan = term_plan(RULE_THRESHOLD, PENALTY_L0);
    check("jumprelu_l0", &plan, &how);
    plan.pull = pull;
    check("jumprelu_pull", &plan, &how);
    plan = term_plan(RULE_THRESHOLD, PENALTY_TANH);
    check("jumprelu_tanh", &plan, &how);
    plan = term_plan(RULE_THRESHOLD, PENALTY_TARGET);
    how.no_beta1 = true;
    check("jumprelu_target", &plan, &how);
}

static void test_gated(void **state)
{
    (void)state;
    struct step_plan plan = term_plan(RULE_POSITIVE, PENALTY_LP);
    check("gated", &plan, &(struct how){.form = GATED});
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
        cmocka_unit_test(test_topk),       cmocka_unit_test(test_batchtopk),
        cmocka_unit_test(test_matryoshka), cmocka_unit_test(test_auxk),
        cmocka_unit_test(test_relu),       cmocka_unit_test(test_jumprelu),
        cmocka_unit_test(test_gated),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
