/* SPDX-License-Identifier: MIT
 *
 * Planted truth: rows are sums of few of 1,000 known directions in 256
 * dimensions. A trainer that works finds them again. Direction i is drawn with
 * probability p_i = min(0.2, c/i), c such that 8 are active on average, with an
 * amplitude uniform in [0.5, 1.5), on noise of 0.01. BatchTopK with m 2048 and
 * k 8 must find, with a decoder cosine of at least 0.9, 95 % of the directions
 * that occur 10,000 times in 10 million tokens (PLANTED_TOKENS=10M, the long
 * test); in 1 million tokens a lower share of those that occur 3,000 times.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/format.h"
#include "base/rng.h"
#include "train/options.h"
#include "train/schedule.h"
#include "train/step.h"

enum { D = 256, TRUTH = 1000, M = 2048, K = 8, BATCH = 1024 };

struct planted {
    float direction[TRUTH * D];
    float p[TRUTH];
    uint64_t occurs[TRUTH];
    float x[BATCH * D];
    unsigned char on[BATCH * TRUTH];
    uint64_t batch;
};

/* c by bisection: Σ min(0.2, c/i) = 8. */
static void set_frequencies(struct planted *q)
{
    double low = 0, high = 100;
    for (int i = 0; i < 60; i++) {
        double c = (low + high) / 2, sum = 0;
        for (int f = 1; f <= TRUTH; f++)
            sum += fmin(0.2, c / f);
        if (sum < 8)
            low = c;
        else
            high = c;
    }
    for (int f = 0; f < TRUTH; f++)
        q->p[f] = (float)fmin(0.2, low / (f + 1));
}

static void draw_row(void *ctx, size_t r, int thread)
{
    (void)thread;
    struct planted *q = ctx;
    struct rng rng = rng_at(q->batch, RNG_TEST, (uint32_t)r);
    float *x = q->x + r * D;
    for (size_t j = 0; j < D; j++)
        x[j] = 0.01f * rng_normal(&rng);
    for (size_t f = 0; f < TRUTH; f++) {
        bool on = rng_float(&rng) < q->p[f];
        q->on[r * TRUTH + f] = on;
        if (on)
            kernels.add_scaled(x, 0.5f + rng_float(&rng), q->direction + f * D,
                               D);
    }
}

static void draw_batch(struct planted *q, const struct team *team)
{
    q->batch++;
    team_run(team, draw_row, q, BATCH);
    for (size_t r = 0; r < BATCH; r++)
        for (size_t f = 0; f < TRUTH; f++)
            q->occurs[f] += q->on[r * TRUTH + f];
}

static void draw_directions(struct planted *q)
{
    struct rng rng = rng_at(77, RNG_TEST, 0);
    for (size_t f = 0; f < TRUTH; f++) {
        float *row = q->direction + f * D;
        for (size_t j = 0; j < D; j++)
            row[j] = rng_normal(&rng);
        kernels.scale(row, (float)(1 / sqrt(kernels.dot_double(row, row, D))),
                      D);
    }
}

/* Mean and scale as training takes them, from one batch. */
static double begin(struct planted *q, struct parameters *p,
                    const struct team *team)
{
    double mean[D] = {0}, square = 0, mean_square = 0;
    draw_batch(q, team);
    for (size_t i = 0; i < BATCH * D; i++) {
        mean[i % D] += (double)q->x[i] / BATCH;
        square += (double)q->x[i] * (double)q->x[i] / BATCH;
    }
    for (size_t j = 0; j < D; j++)
        mean_square += mean[j] * mean[j];
    double scale = sqrt(D / (square - mean_square));
    parameters_draw(p, 1, team);
    for (size_t j = 0; j < D; j++)
        p->b_dec.w[j] = (float)(scale * mean[j]);
    return scale;
}

static void train(struct planted *q, struct parameters *p, uint64_t tokens,
                  const struct team *team)
{
    struct train_options o = {.architecture = TRAIN_BATCHTOPK,
                              .features = M,
                              .k = K,
                              .tokens = (int64_t)tokens,
                              .batch = BATCH,
                              .rate = tokens > 5000000 ? 2e-3 : 4e-3,
                              .decay = 0.2,
                              .anneal = 0.1,
                              .aux = 1.0 / 32,
                              .aux_rows = 1.0 / 16};
    struct train_config c;
    struct step step;
    struct err e;
    assert_int_equal(train_configure(&c, &o, D, tokens, &e), 0);
    assert_int_equal(step_init(&step, p, team, BATCH, &e), 0);
    double scale = begin(q, p, team);
    step_pack(&step);
    memset(q->occurs, 0, sizeof q->occurs);
    for (uint64_t t = 1; t <= c.steps; t++) {
        struct step_plan plan = {.rule = c.rule,
                                 .k = train_k_at(&c, t),
                                 .rate = train_rate_at(&c, t),
                                 .t = t,
                                 .aux = o.aux,
                                 .aux_parts = c.aux_parts,
                                 .dead_tokens = c.dead_tokens};
        struct step_result result;
        draw_batch(q, team);
        kernels.scale(q->x, (float)scale, BATCH * D);
        assert_int_equal(step_run(&step, q->x, BATCH, &plan, &result, &e), 0);
    }
    step_free(&step);
}

/* Share of the directions that occurred at least `often` times which some
 * decoder row meets with a cosine of 0.9. */
static double found_share(const struct planted *q, const struct parameters *p,
                          uint64_t often, size_t *of)
{
    size_t found = 0;
    *of = 0;
    for (size_t f = 0; f < TRUTH; f++) {
        float best = 0;
        if (q->occurs[f] < often)
            continue;
        ++*of;
        for (size_t i = 0; i < M; i++)
            best = fmaxf(
                best, kernels.dot(q->direction + f * D, p->w_dec.w + i * D, D));
        found += best >= 0.9f;
    }
    return (double)found / (double)*of;
}

static void directions_are_found(void **state)
{
    (void)state;
    const char *text = getenv("PLANTED_TOKENS");
    int64_t tokens = 1000000;
    if (text != NULL)
        assert_true(format_parse_count(text, &tokens));
    bool is_long = tokens > 5000000;
    struct planted *q = calloc(1, sizeof *q);
    struct parameters p;
    struct err e;
    struct team team = team_make(0);
    assert_non_null(q);
    set_frequencies(q);
    draw_directions(q);
    assert_int_equal(parameters_init(&p, D, M, &e), 0);
    train(q, &p, (uint64_t)tokens, &team);
    size_t of;
    double share = found_share(q, &p, is_long ? 10000 : 3000, &of);
    (void)printf("found %.1f %% of %zu directions\n", 100 * share, of);
    assert_true(of > 100);
    assert_true(share >= (is_long ? 0.95 : 0.85));
    parameters_free(&p);
    free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(directions_are_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
