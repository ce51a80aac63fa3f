/* SPDX-License-Identifier: MIT
 *
 * ReLU, JumpReLU and gated steps: the gradient of every tensor against central
 * differences of the loss, written here in double from the headers' formulas.
 * Where a gradient is an estimate the loss is the surrogate that the estimate
 * is exact for: steps made ramps at pre-activations that stay.
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
#include "train/step.h"

enum { D = 7, M = 12, N = 9, DEAD = 5 /* plays dead where some are pulled */ };

struct exact {
    double w_enc[M][D], w_dec[M][D], b_enc[M], b_dec[D];
    double theta[M], r_mag[M], b_mag[M];
};

enum form { RELU, JUMPRELU, GATED };

struct fixture {
    enum form form;
    struct parameters p;
    struct step step;
    struct team team;
    struct step_plan plan;
    float x[N * D];
    struct exact base; /* where the gradients are taken */
};

static void fill(float *out, size_t n, float scale, uint32_t lane)
{
    struct rng r = rng_at(5, RNG_TEST, lane);
    for (size_t i = 0; i < n; i++)
        out[i] = scale * rng_normal(&r);
}

static void take_exact(struct exact *q, const struct parameters *p)
{
    memset(q, 0, sizeof *q);
    for (size_t i = 0; i < M; i++) {
        q->b_enc[i] = (double)p->b_enc.w[i];
        q->theta[i] = p->threshold.w != NULL ? (double)p->threshold.w[i] : 0;
        q->r_mag[i] = p->r_mag.w != NULL ? (double)p->r_mag.w[i] : 0;
        q->b_mag[i] = p->b_mag.w != NULL ? (double)p->b_mag.w[i] : 0;
        for (size_t j = 0; j < D; j++) {
            q->w_enc[i][j] = (double)p->w_enc.w[i * D + j];
            q->w_dec[i][j] = (double)p->w_dec.w[i * D + j];
        }
    }
    for (size_t j = 0; j < D; j++)
        q->b_dec[j] = (double)p->b_dec.w[j];
}

static void setup(struct fixture *t, enum form form,
                  const struct step_plan *plan, bool free_rows)
{
    struct err e;
    *t = (struct fixture){.form = form, .plan = *plan, .team = team_make(2)};
    assert_int_equal(parameters_init(&t->p, D, M, &e), 0);
    parameters_draw(&t->p, 3, &t->team);
    fill(t->p.w_enc.w, M * D, 0.5f, 1);
    fill(t->p.b_enc.w, M, 0.3f, 2);
    fill(t->p.b_dec.w, D, 0.5f, 3);
    fill(t->x, N * D, 1, 4);
    if (form == JUMPRELU) {
        assert_int_equal(parameters_add_threshold(&t->p, &e), 0);
        for (size_t i = 0; i < M; i++)
            t->p.threshold.w[i] = 0.05f + 0.04f * (float)i;
    }
    if (form == GATED) {
        assert_int_equal(parameters_add_gate(&t->p, &e), 0);
        fill(t->p.r_mag.w, M, 0.3f, 5);
        fill(t->p.b_mag.w, M, 0.3f, 6);
    }
    for (size_t i = 0; free_rows && i < M * D; i++)
        t->p.w_dec.w[i] *= 0.5f + 0.1f * (float)(i / D);
    assert_int_equal(step_init(&t->step, &t->p, &t->team, N, &e), 0);
    t->step.optimiser.free_rows = free_rows;
    t->step.silent[DEAD] = 100;
    step_pack(&t->step);
    take_exact(&t->base, &t->p);
}

static void teardown(struct fixture *t)
{
    step_free(&t->step);
    parameters_free(&t->p);
}

/* ---- the loss ---- */

static double pre_activation(const struct exact *q, const float *x, size_t i)
{
    double h = q->b_enc[i];
    for (size_t j = 0; j < D; j++)
        h += ((double)x[j] - q->b_dec[j]) * q->w_enc[i][j];
    return h;
}

/* 1[u > 0] with a slope of 1/ε around 0. */
static double ramp(double u, double width)
{
    return fmin(fmax(u / width + 0.5, 0), 1);
}

static double value_of(const struct penalty *p, double u)
{
    return p->kind == PENALTY_LP ? pow(u + (p->p < 1 ? 1e-3 : 0), p->p) -
                                       (p->p < 1 ? pow(1e-3, p->p) : 0)
           : p->kind == PENALTY_TANH ? tanh(4 * u)
                                     : 0;
}

/* What one pair adds. */
struct pair {
    double f, step, gate; /* activation, 1[f > 0], relu(π) */
};

static struct pair pair_of(const struct fixture *t, const struct exact *q,
                           const float *x, size_t i)
{
    const struct exact *b = &t->base;
    double h = pre_activation(q, x, i), h0 = pre_activation(b, x, i);
    if (t->form == RELU)
        return (struct pair){.f = h0 > 0 ? h : 0, .step = h0 > 0};
    if (t->form == GATED) {
        double mu = exp(q->r_mag[i]) * (h - q->b_enc[i]) + q->b_mag[i];
        bool open = h0 > 0;
        return (struct pair){.f = open ? fmax(mu, 0) : 0,
                             .step = open && mu > 0,
                             .gate = open ? h : 0};
    }
    double width = (double)t->plan.bandwidth;
    double moved =
        ramp(h0 - q->theta[i], width) - ramp(h0 - b->theta[i], width);
    bool active = h0 > b->theta[i] && h0 > 0;
    return (struct pair){.f = (active ? h : 0) + b->theta[i] * moved,
                         .step = active + moved};
}

static double norm_of(const struct exact *q, size_t i)
{
    double sum = 0;
    for (size_t j = 0; j < D; j++)
        sum += q->w_dec[i][j] * q->w_dec[i][j];
    return sqrt(sum);
}

/* ‖x̂ − x‖², and of the gates alone, for which the decoder is the base's. */
static double error_of(const struct fixture *t, const struct exact *q,
                       const float *x, bool gates)
{
    const struct exact *w = gates ? &t->base : q;
    double sum = 0;
    for (size_t j = 0; j < D; j++) {
        double error = w->b_dec[j] - (double)x[j];
        for (size_t i = 0; i < M; i++) {
            struct pair p = pair_of(t, q, x, i);
            error += (gates ? p.gate : p.f) * w->w_dec[i][j];
        }
        sum += error * error;
    }
    return sum;
}

static double penalty_of(const struct fixture *t, const struct exact *q)
{
    const struct penalty *p = &t->plan.penalty;
    bool free_rows = t->step.optimiser.free_rows;
    double sum = 0, steps = 0;
    for (size_t r = 0; r < N; r++)
        for (size_t i = 0; i < M; i++) {
            struct pair a = pair_of(t, q, t->x + r * D, i);
            double u = t->form == GATED ? a.gate : a.f;
            sum += value_of(p, free_rows ? u * norm_of(q, i) : u);
            steps += a.step;
        }
    if (p->kind == PENALTY_L0)
        return p->weight * steps / N;
    if (p->kind == PENALTY_TARGET)
        return p->weight * pow(steps / N / p->target - 1, 2);
    return p->weight * sum / N;
}

static double pull_of(const struct fixture *t, const struct exact *q)
{
    double sum = 0;
    for (size_t r = 0; r < N; r++) {
        double h = pre_activation(q, t->x + r * D, DEAD);
        sum += fmax(q->theta[DEAD] - h, 0);
    }
    return t->plan.pull * sum / N;
}

static double loss_of(const struct fixture *t, const struct exact *q)
{
    double loss = penalty_of(t, q);
    for (size_t r = 0; r < N; r++) {
        loss += error_of(t, q, t->x + r * D, false) / N;
        if (t->form == GATED)
            loss += error_of(t, q, t->x + r * D, true) / N;
    }
    return loss;
}

/* ---- the comparison ---- */

static double difference(struct exact *q, double *at, const struct fixture *t)
{
    const double h = 1e-5, kept = *at;
    *at = kept + h;
    double above = loss_of(t, q) + pull_of(t, q);
    *at = kept - h;
    double below = loss_of(t, q) + pull_of(t, q);
    *at = kept;
    return (above - below) / (2 * h);
}

static void assert_near(const char *what, double got, double want)
{
    if (!(fabs(got - want) <= 1e-4 * (1 + fabs(want))))
        fail_msg("%s: got %.9g, want %.9g", what, got, want);
}

/* Of feature i; returns the squared norm of its gradients. */
static double check_feature(struct fixture *t, struct exact *q, size_t i)
{
    float dec[D], enc[D];
    float along = step_feature_gradient(&t->step, i, dec, enc);
    struct scalar_gradients g = step_scalar_gradients(&t->step, i, along);
    double norm = 0, projection = 0;
    for (size_t j = 0; j < D; j++) {
        assert_near("W_dec", (double)dec[j], difference(q, &q->w_dec[i][j], t));
        assert_near("W_enc", (double)enc[j], difference(q, &q->w_enc[i][j], t));
        projection += (double)dec[j] * q->w_dec[i][j];
        norm += pow((double)dec[j], 2) + pow((double)enc[j], 2);
    }
    assert_near("b_enc", (double)g.b_enc, difference(q, &q->b_enc[i], t));
    if (t->form == JUMPRELU)
        assert_near("theta", (double)g.threshold,
                    difference(q, &q->theta[i], t));
    if (t->form == GATED) {
        assert_near("r_mag", (double)g.r_mag, difference(q, &q->r_mag[i], t));
        assert_near("b_mag", (double)g.b_mag, difference(q, &q->b_mag[i], t));
    }
    norm += pow((double)g.b_enc, 2) + pow((double)g.threshold, 2) +
            pow((double)g.r_mag, 2) + pow((double)g.b_mag, 2);
    return norm - (t->step.optimiser.free_rows ? 0 : projection * projection);
}

static void check_density(enum form form, const struct step_plan *plan,
                          bool free_rows, enum density density)
{
    static struct fixture t;
    struct err e;
    struct step_result result;
    setup(&t, form, plan, free_rows);
    t.step.density = density;
    assert_int_equal(step_forward(&t.step, t.x, N, plan, &result, &e), 0);
    assert_int_equal(step_aux(&t.step, plan, &e), 0);
    assert_int_equal(step_transpose(&t.step, &e), 0);
    struct exact q = t.base;
    double steps = 0, norm = 0, want_bias[D];
    for (size_t r = 0; r < N; r++)
        for (size_t i = 0; i < M; i++)
            steps += pair_of(&t, &q, t.x + r * D, i).step;
    assert_near("loss", result.loss, loss_of(&t, &q));
    assert_near("penalty", result.penalty, penalty_of(&t, &q));
    assert_near("l0", result.l0, steps / N);
    assert_true(result.l0 > 1);
    for (size_t i = 0; i < M; i++)
        norm += check_feature(&t, &q, i);
    for (size_t j = 0; j < D; j++) {
        want_bias[j] = difference(&q, &q.b_dec[j], &t);
        norm += want_bias[j] * want_bias[j];
    }
    step_update(&t.step, plan);
    for (size_t j = 0; j < D; j++)
        assert_near("b_dec", (double)t.step.bias[j], want_bias[j]);
    assert_near("norm", t.step.norm, sqrt(norm));
    teardown(&t);
}

/* Through the lists, and through dense tiles. */
static void check(enum form form, const struct step_plan *plan, bool free_rows)
{
    check_density(form, plan, free_rows, DENSITY_SPARSE);
    check_density(form, plan, free_rows, DENSITY_DENSE);
}

static struct step_plan plan_of(enum rule rule, enum penalty_kind kind,
                                double weight)
{
    return (struct step_plan){
        .rule = rule,
        .rate = 1e-3,
        .t = 1,
        .penalty = {.kind = kind, .weight = weight, .p = 1, .target = 3}};
}

static void test_relu(void **state)
{
    (void)state;
    struct step_plan plan = plan_of(RULE_POSITIVE, PENALTY_LP, 0.7);
    check(RELU, &plan, false);
    check(RELU, &plan, true); /* the norms count, and learn from it */
    plan.penalty.p = 0.6;
    check(RELU, &plan, false);
    check(RELU, &plan, true);
    plan = plan_of(RULE_POSITIVE, PENALTY_TANH, 0.7);
    check(RELU, &plan, true);
}

static void test_jumprelu(void **state)
{
    (void)state;
    static const enum penalty_kind kinds[] = {PENALTY_L0, PENALTY_TARGET,
                                              PENALTY_TANH, PENALTY_NONE};
    for (size_t i = 0; i < 4; i++) {
        struct step_plan plan = plan_of(RULE_THRESHOLD, kinds[i], 0.7);
        plan.bandwidth = 0.5f;
        check(JUMPRELU, &plan, false);
    }
    /* A window that reaches below zero. */
    struct step_plan plan = plan_of(RULE_THRESHOLD, PENALTY_L0, 0.7);
    plan.bandwidth = 1.5f;
    check(JUMPRELU, &plan, false);
}

/* The dead feature is pulled though some rows are above its threshold. */
static void test_pull(void **state)
{
    (void)state;
    struct step_plan plan = plan_of(RULE_THRESHOLD, PENALTY_L0, 0.7);
    plan.bandwidth = 0.5f;
    plan.pull = 0.3;
    plan.dead_tokens = 100;
    check(JUMPRELU, &plan, false);
}

static void test_gated(void **state)
{
    (void)state;
    struct step_plan plan = plan_of(RULE_POSITIVE, PENALTY_LP, 0.7);
    check(GATED, &plan, false);
    plan.penalty.p = 0.6;
    check(GATED, &plan, false);
}

/* ---- threads ---- */

enum { WIDE_D = 48, WIDE_M = 700, WIDE_N = 300 };

/* Six steps; *loss is the last one's. */
static void run_wide(struct parameters *p, enum form form, int threads,
                     enum density density, double *loss)
{
    struct err e;
    struct team team = team_make(threads);
    struct step s;
    static float x[WIDE_N * WIDE_D];
    assert_int_equal(parameters_init(p, WIDE_D, WIDE_M, &e), 0);
    if (form == JUMPRELU)
        assert_int_equal(parameters_add_threshold(p, &e), 0);
    if (form == GATED)
        assert_int_equal(parameters_add_gate(p, &e), 0);
    assert_int_equal(step_init(&s, p, &team, WIDE_N, &e), 0);
    s.density = density;
    parameters_draw(p, 11, &team);
    for (size_t i = 0; form == JUMPRELU && i < WIDE_M; i++)
        p->threshold.w[i] = 1;
    step_pack(&s);
    for (uint64_t t = 1; t <= 6; t++) {
        struct step_plan plan =
            plan_of(form == JUMPRELU ? RULE_THRESHOLD : RULE_POSITIVE,
                    form == JUMPRELU ? PENALTY_TARGET : PENALTY_LP, 0.5);
        struct step_result result;
        plan.t = t;
        plan.penalty.target = 20;
        plan.bandwidth = 0.2f;
        plan.pull = 0.1;
        plan.dead_tokens = WIDE_N;
        fill(x, WIDE_N * WIDE_D, 1, (uint32_t)(100 + t));
        assert_int_equal(step_run(&s, x, WIDE_N, &plan, &result, &e), 0);
        *loss = result.loss;
    }
    step_free(&s);
}

/* Where to switch is a matter of speed: after six steps by either way the loss
 * is the same to 2e-6 and weights, of up to 1, are to 2e-5. Catches tiles that
 * leave out or repeat entries at their edges. */
static void test_dense_is_the_same(void **state)
{
    (void)state;
    for (enum form form = RELU; form <= GATED; form++) {
        struct parameters a, b;
        double loss_a, loss_b;
        run_wide(&a, form, 2, DENSITY_SPARSE, &loss_a);
        run_wide(&b, form, 2, DENSITY_DENSE, &loss_b);
        if (!(fabs(loss_a - loss_b) <= 2e-6 * loss_a))
            fail_msg("form %d: loss %.9g and %.9g", form, loss_a, loss_b);
        for (size_t i = 0; i < WIDE_M * WIDE_D; i++)
            if (!(fabsf(a.w_enc.w[i] - b.w_enc.w[i]) <= 2e-5f) ||
                !(fabsf(a.w_dec.w[i] - b.w_dec.w[i]) <= 2e-5f))
                fail_msg("form %d: weight %zu differs", form, i);
        parameters_free(&a);
        parameters_free(&b);
    }
}

static void test_same_bits_for_any_threads(void **state)
{
    (void)state;
    for (enum form form = RELU; form <= GATED; form++)
        for (int threads = 2; threads <= 7; threads += 5) {
            struct parameters one, more;
            double loss;
            run_wide(&one, form, 1, DENSITY_AUTO, &loss);
            run_wide(&more, form, threads, DENSITY_AUTO, &loss);
            size_t size = WIDE_M * WIDE_D * sizeof(float);
            assert_memory_equal(one.w_enc.w, more.w_enc.w, size);
            assert_memory_equal(one.w_dec.w, more.w_dec.w, size);
            size = WIDE_M * sizeof(float);
            if (form == JUMPRELU)
                assert_memory_equal(one.threshold.w, more.threshold.w, size);
            if (form == GATED)
                assert_memory_equal(one.r_mag.w, more.r_mag.w, size);
            parameters_free(&one);
            parameters_free(&more);
        }
}

/* What only learns from its threshold was not active. Catches pairs of value 0
 * that keep a feature alive. */
static void test_window_is_not_alive(void **state)
{
    (void)state;
    static struct fixture t;
    struct err e;
    struct step_result result;
    struct step_plan plan = plan_of(RULE_THRESHOLD, PENALTY_L0, 0.1);
    plan.bandwidth = 1000;
    plan.rate = 1e-9;
    setup(&t, JUMPRELU, &plan, false);
    t.p.threshold.w[DEAD] = 100;
    assert_int_equal(step_run(&t.step, t.x, N, &plan, &result, &e), 0);
    assert_int_equal(t.step.pairs.start[DEAD + 1] - t.step.pairs.start[DEAD],
                     N);
    assert_int_equal(t.step.silent[DEAD], 100 + N);
    assert_int_equal(t.step.silent[DEAD + 1], 0);
    teardown(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_relu),
        cmocka_unit_test(test_jumprelu),
        cmocka_unit_test(test_pull),
        cmocka_unit_test(test_gated),
        cmocka_unit_test(test_dense_is_the_same),
        cmocka_unit_test(test_same_bits_for_any_threads),
        cmocka_unit_test(test_window_is_not_alive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
