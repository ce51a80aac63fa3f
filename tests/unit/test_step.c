/* SPDX-License-Identifier: MIT
 *
 * The training step: every gradient against central differences of a loss
 * written here in double, whole steps against a dense trainer written here in
 * double, and the same bits for any number of threads.
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

enum { D = 7, M = 12, N = 9, K = 3 };

/* AuxK in eight parts: of 9 rows, step 7 takes the last two. */
enum { AUX_STEP = 7, AUX_FIRST = 7 };

static const struct groups whole;
/* One of one feature, one that few rows use, one of the rest but a feature. */
static const struct groups nested = {.n = 4, .end = {1, 4, M - 1, M}};

/* Parameters in double, in the order in which they are perturbed. */
struct exact {
    double w_enc[M][D], w_dec[M][D], b_enc[M], b_dec[D];
};

struct fixture {
    struct parameters p;
    struct step step;
    struct team team;
    float x[N * D];
};

static void fill(float *out, size_t n, float scale, uint32_t lane)
{
    struct rng r = rng_at(5, RNG_TEST, lane);
    for (size_t i = 0; i < n; i++)
        out[i] = scale * rng_normal(&r);
}

static void setup(struct fixture *t, int threads)
{
    struct err e;
    t->team = team_make(threads);
    assert_int_equal(parameters_init(&t->p, D, M, &e), 0);
    assert_int_equal(step_init(&t->step, &t->p, &t->team, N, &e), 0);
    parameters_draw(&t->p, 3, &t->team);
    fill(t->p.w_enc.w, M * D, 0.5f, 1);
    fill(t->p.b_enc.w, M, 0.3f, 2);
    fill(t->p.b_dec.w, D, 0.5f, 3);
    fill(t->x, N * D, 1, 4);
    step_pack(&t->step);
}

static void teardown(struct fixture *t)
{
    step_free(&t->step);
    parameters_free(&t->p);
}

static void take_exact(struct exact *q, const struct parameters *p)
{
    for (size_t i = 0; i < M; i++) {
        q->b_enc[i] = (double)p->b_enc.w[i];
        for (size_t j = 0; j < D; j++) {
            q->w_enc[i][j] = (double)p->w_enc.w[i * D + j];
            q->w_dec[i][j] = (double)p->w_dec.w[i * D + j];
        }
    }
    for (size_t j = 0; j < D; j++)
        q->b_dec[j] = (double)p->b_dec.w[j];
}

static double pre_activation(const struct exact *q, const float *x, size_t i)
{
    double h = q->b_enc[i];
    for (size_t j = 0; j < D; j++)
        h += ((double)x[j] - q->b_dec[j]) * q->w_enc[i][j];
    return h;
}

/* The loss of one prefix with the features of `codes` active, whatever the
 * parameters. */
static double prefix_loss_of(const struct exact *q, const float *x,
                             const struct codes *codes, size_t end)
{
    double loss = 0;
    for (size_t r = 0; r < N; r++) {
        double error[D];
        for (size_t j = 0; j < D; j++)
            error[j] = q->b_dec[j] - (double)x[r * D + j];
        for (size_t c = codes->start[r]; c < codes->start[r + 1]; c++) {
            size_t i = codes->feature[c];
            if (i >= end)
                continue;
            double f = pre_activation(q, x + r * D, i);
            for (size_t j = 0; j < D; j++)
                error[j] += f * q->w_dec[i][j];
        }
        for (size_t j = 0; j < D; j++)
            loss += error[j] * error[j];
    }
    return loss / N;
}

/* The mean over the prefixes of the step. */
static double loss_of(const struct exact *q, const struct fixture *t)
{
    const struct groups *g = &t->step.groups;
    double loss = 0;
    for (size_t p = 0; p < g->n; p++)
        loss += prefix_loss_of(q, t->x, &t->step.codes, g->end[p]);
    return loss / (double)g->n;
}

/* AuxK's loss as train/auxk.h defines it, with what the main codes leave over
 * taken from the step and held constant. */
static double aux_loss_of(const struct exact *q, const struct fixture *t,
                          double alpha)
{
    const struct auxk *a = &t->step.auxk;
    double left[N][D], mean[D] = {0}, variance = 0, loss = 0;
    float unit;
    const float *error_rows = step_error(&t->step, &unit) + AUX_FIRST * D;
    for (size_t r = 0; r < a->n; r++)
        for (size_t j = 0; j < D; j++) {
            left[r][j] = -(double)error_rows[r * D + j] * (double)unit;
            mean[j] += left[r][j] / (double)a->n;
        }
    for (size_t r = 0; r < a->n; r++) {
        double error[D];
        for (size_t j = 0; j < D; j++) {
            error[j] = -left[r][j];
            variance += pow(left[r][j] - mean[j], 2);
        }
        for (size_t c = a->codes.start[r]; c < a->codes.start[r + 1]; c++) {
            size_t i = a->codes.feature[c];
            double f = pre_activation(q, t->x + (AUX_FIRST + r) * D, i);
            for (size_t j = 0; j < D; j++)
                error[j] += f * q->w_dec[i][j];
        }
        for (size_t j = 0; j < D; j++)
            loss += error[j] * error[j];
    }
    return a->n == 0 ? 0 : alpha * D * loss / variance;
}

static double difference(struct exact *q, double *at, const struct fixture *t,
                         double aux)
{
    const double h = 1e-4, kept = *at;
    *at = kept + h;
    double above = loss_of(q, t) + aux_loss_of(q, t, aux);
    *at = kept - h;
    double below = loss_of(q, t) + aux_loss_of(q, t, aux);
    *at = kept;
    return (above - below) / (2 * h);
}

static void assert_near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance * (1 + fabs(want))))
        fail_msg("got %.9g, want %.9g", got, want);
}

/* With aux every `dead_every`-th feature plays dead. */
static void check_gradients(enum rule rule, const struct groups *groups,
                            double aux, size_t dead_every)
{
    struct fixture t;
    struct err e;
    struct step_result result;
    struct step_plan plan = {.rule = rule, .k = K, .rate = 1e-3, .t = AUX_STEP};
    plan.groups = *groups;
    plan.aux = aux;
    plan.aux_parts = 8;
    plan.dead_tokens = 1000;
    setup(&t, 1);
    assert_int_equal(step_forward(&t.step, t.x, N, &plan, &result, &e), 0);
    for (size_t i = 0; aux > 0 && i < M; i += dead_every)
        t.step.silent[i] = 1000;
    assert_int_equal(step_aux(&t.step, &plan, &e), 0);
    assert_int_equal(step_transpose(&t.step, &e), 0);
    assert_int_equal(t.step.codes.start[N], N * K);
    struct exact q;
    take_exact(&q, &t.p);
    if (aux > 0) {
        assert_int_equal(t.step.auxk.n_dead, M / dead_every);
        assert_int_equal(t.step.auxk.n, 2);
        assert_true(t.step.auxk.codes.start[2] > 1);
        assert_near(t.step.auxk.loss, aux_loss_of(&q, &t, aux), 1e-5);
    }
    assert_near(result.loss, loss_of(&q, &t), 1e-5);
    assert_near(result.error, prefix_loss_of(&q, t.x, &t.step.codes, M), 1e-5);
    double norm = 0, want_bias[D];
    for (size_t i = 0; i < M; i++) {
        float dec[D], enc[D];
        float b_enc = step_feature_gradient(&t.step, i, dec, enc);
        double along = 0, square = 0;
        assert_near((double)b_enc, difference(&q, &q.b_enc[i], &t, aux), 1e-4);
        for (size_t j = 0; j < D; j++) {
            assert_near((double)dec[j], difference(&q, &q.w_dec[i][j], &t, aux),
                        1e-4);
            assert_near((double)enc[j], difference(&q, &q.w_enc[i][j], &t, aux),
                        1e-4);
            along += (double)dec[j] * q.w_dec[i][j];
            square += (double)dec[j] * (double)dec[j] +
                      (double)enc[j] * (double)enc[j];
        }
        norm += square - along * along + (double)b_enc * (double)b_enc;
    }
    for (size_t j = 0; j < D; j++) {
        want_bias[j] = difference(&q, &q.b_dec[j], &t, aux);
        norm += want_bias[j] * want_bias[j];
    }
    step_update(&t.step, &plan);
    for (size_t j = 0; j < D; j++)
        assert_near((double)t.step.bias[j], want_bias[j], 1e-4);
    assert_near(t.step.norm, sqrt(norm), 1e-4);
    teardown(&t);
}

static void test_gradients_topk(void **state)
{
    (void)state;
    check_gradients(RULE_TOPK, &whole, 0, 1);
}

static void test_gradients_batch_topk(void **state)
{
    (void)state;
    check_gradients(RULE_BATCH_TOPK, &whole, 0, 1);
}

static void test_gradients_matryoshka(void **state)
{
    (void)state;
    check_gradients(RULE_BATCH_TOPK, &nested, 0, 1);
    check_gradients(RULE_TOPK, &nested, 0, 1);
}

static void test_gradients_auxk(void **state)
{
    (void)state;
    check_gradients(RULE_TOPK, &whole, 0.7, 2);
    check_gradients(RULE_TOPK, &whole, 0.7, 4); /* under d/2: less weight */
    check_gradients(RULE_BATCH_TOPK, &nested, 0.7, 2);
}

/* Dead features get a gradient only when AuxK is on and they are dead long
 * enough, and getting one does not make them alive. */
static void test_auxk_reaches_the_dead_only(void **state)
{
    (void)state;
    static const struct {
        double aux;
        uint64_t dead_tokens;
        bool moves;
    } rows[] = {{0.1, 500, true}, {0, 500, false}, {0.1, 501, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture t;
        struct err e;
        struct step_result result;
        struct step_plan plan = {.rule = RULE_TOPK,
                                 .k = 1,
                                 .rate = 1e-3,
                                 .t = AUX_STEP,
                                 .aux = rows[i].aux,
                                 .aux_parts = 8,
                                 .dead_tokens = rows[i].dead_tokens};
        setup(&t, 1);
        t.p.b_enc.w[5] = 100; /* always chosen, so 4 never is */
        t.p.b_enc.w[4] = 1;
        t.step.silent[4] = 500;
        step_pack(&t.step);
        assert_int_equal(step_run(&t.step, t.x, N, &plan, &result, &e), 0);
        assert_int_equal(t.p.b_enc.w[4] != 1, rows[i].moves);
        assert_int_equal(t.step.silent[4], 500 + N);
        teardown(&t);
    }
}

/* ---- whole steps ---- */

/* A dense trainer: parameters, gradients and moments as flat arrays. */
struct dense {
    struct exact w, g, m, v;
    double norm;
};

static int falling(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* Adds the gradients of the loss of one prefix, by its weight. */
static void add_prefix(struct dense *t, const float *x, const double *h,
                       const double *cut, size_t end, double weight)
{
    for (size_t r = 0; r < N; r++) {
        double G[D];
        for (size_t j = 0; j < D; j++)
            G[j] = t->w.b_dec[j] - (double)x[r * D + j];
        for (size_t i = 0; i < end; i++)
            for (size_t j = 0; h[r * M + i] >= cut[r] && j < D; j++)
                G[j] += h[r * M + i] * t->w.w_dec[i][j];
        for (size_t j = 0; j < D; j++) {
            G[j] *= weight * 2.0 / N;
            t->g.b_dec[j] += G[j];
        }
        for (size_t i = 0; i < end; i++) {
            double g = 0;
            if (!(h[r * M + i] >= cut[r]))
                continue;
            for (size_t j = 0; j < D; j++)
                g += G[j] * t->w.w_dec[i][j];
            t->g.b_enc[i] += g;
            for (size_t j = 0; j < D; j++) {
                t->g.w_dec[i][j] += h[r * M + i] * G[j];
                t->g.w_enc[i][j] += g * ((double)x[r * D + j] - t->w.b_dec[j]);
                t->g.b_dec[j] -= g * t->w.w_enc[i][j];
            }
        }
    }
}

static void dense_gradients(struct dense *t, const float *x, enum rule rule,
                            const struct groups *groups)
{
    double h[N * M], sorted[N * M];
    for (size_t r = 0; r < N; r++)
        for (size_t i = 0; i < M; i++)
            h[r * M + i] = pre_activation(&t->w, x + r * D, i);
    memcpy(sorted, h, sizeof h);
    if (rule == RULE_BATCH_TOPK)
        qsort(sorted, N * M, sizeof *sorted, falling);
    else
        for (size_t r = 0; r < N; r++)
            qsort(sorted + r * M, M, sizeof *sorted, falling);
    double cut[N];
    for (size_t r = 0; r < N; r++)
        cut[r] =
            rule == RULE_BATCH_TOPK ? sorted[N * K - 1] : sorted[r * M + K - 1];
    memset(&t->g, 0, sizeof t->g);
    if (groups->n == 0)
        add_prefix(t, x, h, cut, M, 1);
    for (size_t p = 0; p < groups->n; p++)
        add_prefix(t, x, h, cut, groups->end[p], 1 / (double)groups->n);
}

static void dense_step(struct dense *t, const float *x,
                       const struct step_plan *plan)
{
    double number = (double)plan->t;
    dense_gradients(t, x, plan->rule, &plan->groups);
    for (size_t i = 0; i < M; i++) {
        double along = 0;
        for (size_t j = 0; j < D; j++)
            along += t->g.w_dec[i][j] * t->w.w_dec[i][j];
        for (size_t j = 0; j < D; j++)
            t->g.w_dec[i][j] -= along * t->w.w_dec[i][j];
    }
    double clip = t->norm > sqrt(D) ? sqrt(D) / t->norm : 1, norm = 0;
    double *w = (double *)&t->w, *g = (double *)&t->g;
    double *m = (double *)&t->m, *v = (double *)&t->v;
    for (size_t i = 0; i < sizeof(struct exact) / sizeof(double); i++) {
        norm += g[i] * g[i];
        m[i] = 0.9 * m[i] + 0.1 * clip * g[i];
        v[i] = 0.999 * v[i] + 0.001 * clip * g[i] * clip * g[i];
        w[i] -= plan->rate * (m[i] / (1 - pow(0.9, number))) /
                (sqrt(v[i] / (1 - pow(0.999, number))) + 1e-8);
    }
    t->norm = sqrt(norm);
    for (size_t i = 0; i < M; i++) {
        double length = 0;
        for (size_t j = 0; j < D; j++)
            length += t->w.w_dec[i][j] * t->w.w_dec[i][j];
        for (size_t j = 0; j < D; j++)
            t->w.w_dec[i][j] /= sqrt(length);
    }
}

static void check_steps(enum rule rule, const struct groups *groups)
{
    struct fixture t;
    struct err e;
    struct dense reference = {0};
    setup(&t, 2);
    /* Large inputs make the gradient norm pass √d, so that clipping counts. */
    for (size_t i = 0; i < N * D; i++)
        t.x[i] *= 3;
    take_exact(&reference.w, &t.p);
    bool clipped = false;
    for (int i = 1; i <= 10; i++) {
        struct step_plan plan = {.rule = rule,
                                 .k = K,
                                 .rate = 3e-3,
                                 .t = (uint64_t)i,
                                 .groups = *groups};
        struct step_result result;
        clipped |= t.step.norm > sqrt(D);
        assert_int_equal(step_run(&t.step, t.x, N, &plan, &result, &e), 0);
        dense_step(&reference, t.x, &plan);
    }
    assert_true(clipped);
    for (size_t i = 0; i < M; i++) {
        assert_near((double)t.p.b_enc.w[i], reference.w.b_enc[i], 2e-4);
        for (size_t j = 0; j < D; j++) {
            assert_near((double)t.p.w_enc.w[i * D + j], reference.w.w_enc[i][j],
                        2e-4);
            assert_near((double)t.p.w_dec.w[i * D + j], reference.w.w_dec[i][j],
                        2e-4);
        }
    }
    for (size_t j = 0; j < D; j++)
        assert_near((double)t.p.b_dec.w[j], reference.w.b_dec[j], 2e-4);
    teardown(&t);
}

static void test_steps_topk(void **state)
{
    (void)state;
    check_steps(RULE_TOPK, &whole);
}

static void test_steps_batch_topk(void **state)
{
    (void)state;
    check_steps(RULE_BATCH_TOPK, &whole);
}

static void test_steps_matryoshka(void **state)
{
    (void)state;
    check_steps(RULE_BATCH_TOPK, &nested);
}

/* ---- threads ---- */

enum { WIDE_D = 48, WIDE_M = 1100, WIDE_N = 700 };

static void run_wide(float *w_enc, float *w_dec, const struct groups *groups,
                     int threads)
{
    struct err e;
    struct team team = team_make(threads);
    struct parameters p;
    struct step s;
    float *x = malloc(WIDE_N * WIDE_D * sizeof *x);
    assert_non_null(x);
    assert_int_equal(parameters_init(&p, WIDE_D, WIDE_M, &e), 0);
    assert_int_equal(step_init(&s, &p, &team, WIDE_N, &e), 0);
    parameters_draw(&p, 11, &team);
    step_pack(&s);
    for (int i = 1; i <= 8; i++) {
        struct step_plan plan = {.rule = RULE_BATCH_TOPK,
                                 .k = 9,
                                 .rate = 1e-3,
                                 .t = (uint64_t)i,
                                 .groups = *groups,
                                 .aux = 0.1,
                                 .aux_parts = 8,
                                 .dead_tokens = WIDE_N};
        struct step_result result;
        fill(x, WIDE_N * WIDE_D, 1, (uint32_t)(100 + i));
        assert_int_equal(step_run(&s, x, WIDE_N, &plan, &result, &e), 0);
    }
    memcpy(w_enc, p.w_enc.w, WIDE_M * WIDE_D * sizeof *w_enc);
    memcpy(w_dec, p.w_dec.w, WIDE_M * WIDE_D * sizeof *w_dec);
    step_free(&s);
    parameters_free(&p);
    free(x);
}

static void check_threads(const struct groups *groups)
{
    static float enc[2][WIDE_M * WIDE_D], dec[2][WIDE_M * WIDE_D];
    run_wide(enc[0], dec[0], groups, 1);
    for (int threads = 2; threads <= 7; threads += 5) {
        run_wide(enc[1], dec[1], groups, threads);
        assert_memory_equal(enc[0], enc[1], sizeof enc[0]);
        assert_memory_equal(dec[0], dec[1], sizeof dec[0]);
    }
}

static void test_same_bits_for_any_threads(void **state)
{
    (void)state;
    static const struct groups prefixes = {.n = 3, .end = {70, 400, WIDE_M}};
    check_threads(&whole);
    check_threads(&prefixes);
}

/* One prefix of all features is the step without prefixes, to the bit. */
static void test_one_prefix_changes_nothing(void **state)
{
    (void)state;
    static const struct groups all = {.n = 1, .end = {WIDE_M}};
    static float enc[2][WIDE_M * WIDE_D], dec[2][WIDE_M * WIDE_D];
    run_wide(enc[0], dec[0], &whole, 2);
    run_wide(enc[1], dec[1], &all, 2);
    assert_memory_equal(enc[0], enc[1], sizeof enc[0]);
    assert_memory_equal(dec[0], dec[1], sizeof dec[0]);
}

/* A feature that no row selects must count the tokens, and one that is
 * selected must start again. */
static void test_silent_counts_tokens(void **state)
{
    (void)state;
    struct fixture t;
    struct err e;
    struct step_result result;
    struct step_plan plan = {.rule = RULE_TOPK, .k = 1, .rate = 1e-6, .t = 1};
    setup(&t, 1);
    t.p.b_enc.w[4] = -100;
    t.p.b_enc.w[5] = 100;
    step_pack(&t.step);
    for (int i = 0; i < 3; i++)
        assert_int_equal(step_run(&t.step, t.x, N, &plan, &result, &e), 0);
    assert_int_equal(t.step.silent[4], 3 * N);
    assert_int_equal(t.step.silent[5], 0);
    teardown(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients_topk),
        cmocka_unit_test(test_gradients_batch_topk),
        cmocka_unit_test(test_gradients_matryoshka),
        cmocka_unit_test(test_gradients_auxk),
        cmocka_unit_test(test_auxk_reaches_the_dead_only),
        cmocka_unit_test(test_steps_topk),
        cmocka_unit_test(test_steps_batch_topk),
        cmocka_unit_test(test_steps_matryoshka),
        cmocka_unit_test(test_same_bits_for_any_threads),
        cmocka_unit_test(test_one_prefix_changes_nothing),
        cmocka_unit_test(test_silent_counts_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
