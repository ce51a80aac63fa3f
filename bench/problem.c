/* SPDX-License-Identifier: MIT */
#include "bench/problem.h"

#include <stdio.h>

#include "base/rng.h"

/* Counters of the dead stand here; nothing else gets so far in a benchmark. */
#define DEAD_TOKENS UINT64_C(1000000000000)

static int rows_init(struct problem *q, const struct problem_shape *shape,
                     struct err *e)
{
    *q = (struct problem){.shape = *shape};
    return arena_get(&q->arena, &q->x, PROBLEM_BATCHES * shape->n * shape->d,
                     sizeof(float), "batches", e);
}

static void draw_row(void *ctx, size_t i, int thread)
{
    (void)thread;
    const struct problem *q = ctx;
    size_t d = q->shape.d;
    struct rng r = rng_at(q->shape.seed, RNG_TEST, (uint32_t)i);
    for (size_t j = 0; j < d; j++)
        q->x[i * d + j] = rng_normal(&r);
}

int problem_draw(struct problem *q, const struct problem_shape *shape,
                 const struct team *team, struct err *e)
{
    TRY(rows_init(q, shape, e));
    team_run(team, draw_row, q, PROBLEM_BATCHES * shape->n);
    return 0;
}

int problem_read(struct problem *q, const struct problem_shape *shape,
                 const struct dump *dump, int layer, const struct team *team,
                 struct err *e)
{
    const struct reading_options o = {
        .held_out = 0.01, .seed = shape->seed, .memory = UINT64_C(1) << 30};
    struct view view;
    struct reading reading = {0};
    struct input in = {0};
    TRY(rows_init(q, shape, e));
    TRY(view_of_layer(&view, dump, layer, NULL, 0, e));
    float *rows = NULL;
    int code = reading_open(&reading, &view, &o, team, e);
    if (code == 0)
        code = input_open(&in, &reading, 0, shape->d, e);
    if (code == 0)
        code = arena_get(&q->arena, &rows, shape->n * shape->d, sizeof *rows,
                         "batches", e);
    for (size_t b = 0; code == 0 && b < PROBLEM_BATCHES; b++) {
        code = reading_next(&reading, rows, shape->n, e);
        if (code == 0)
            input_take(&in, q->x + b * shape->n * shape->d, rows, shape->n);
    }
    input_close(&in);
    reading_close(&reading);
    view_free(&view);
    return code;
}

void problem_free(struct problem *q)
{
    arena_free(&q->arena);
    *q = (struct problem){0};
}

/* The threshold, or the bias, at which a batch has k active features a row. */
static int set_level(struct parameters *p, const struct problem *q,
                     const struct team *team, struct err *e)
{
    struct step probe;
    struct step_result result;
    struct step_plan plan = {
        .rule = RULE_BATCH_TOPK, .k = q->shape.k, .rate = 0, .t = 1};
    struct parameters plain = *p;
    float level = 0;
    plain.threshold = plain.r_mag = plain.b_mag = (struct weight){0};
    int code = step_init(&probe, &plain, team, q->shape.n, e);
    if (code == 0) {
        step_pack(&probe);
        code = step_forward(&probe, q->x, q->shape.n, &plan, &result, e);
    }
    size_t entries = code == 0 ? probe.codes.start[q->shape.n] : 0;
    for (size_t i = 0; i < entries; i++)
        if (i == 0 || probe.codes.value[i] < level)
            level = probe.codes.value[i];
    for (size_t i = 0; i < p->m; i++) {
        if (p->threshold.w != NULL)
            p->threshold.w[i] = level;
        else
            p->b_enc.w[i] = -level;
    }
    step_free(&probe);
    return code;
}

int problem_parameters(struct parameters *p, const struct problem *q,
                       const struct team *team, struct err *e)
{
    enum train_architecture a = q->shape.architecture;
    TRY(parameters_init(p, q->shape.d, q->shape.m, e));
    if (a == TRAIN_JUMPRELU)
        TRY(parameters_add_threshold(p, e));
    if (a == TRAIN_GATED)
        TRY(parameters_add_gate(p, e));
    parameters_draw(p, q->shape.seed, team);
    return train_has_penalty(a) ? set_level(p, q, team, e) : 0;
}

const float *problem_rows(const struct problem *q, uint64_t t)
{
    return q->x + t % PROBLEM_BATCHES * q->shape.n * q->shape.d;
}

static enum rule rule_of(enum train_architecture a)
{
    return a == TRAIN_TOPK        ? RULE_TOPK
           : a == TRAIN_JUMPRELU  ? RULE_THRESHOLD
           : train_has_penalty(a) ? RULE_POSITIVE
                                  : RULE_BATCH_TOPK;
}

struct step_plan problem_plan(const struct problem *q, uint64_t t)
{
    enum train_architecture a = q->shape.architecture;
    bool penalised = train_has_penalty(a);
    struct step_plan plan = {
        .rule = rule_of(a),
        .k = q->shape.k,
        .groups = q->shape.groups,
        .rate = penalised ? 1e-9 : 1e-4,
        .t = t,
        .aux = q->shape.dead > 0 && !penalised ? 1.0 / 32 : 0,
        .aux_parts = q->shape.aux_parts,
        .bandwidth = q->shape.bandwidth,
        .pull = a == TRAIN_JUMPRELU && q->shape.dead > 0 ? 3e-3 : 0,
        .dead_tokens = DEAD_TOKENS,
    };
    if (penalised)
        plan.penalty = (struct penalty){
            .kind = a == TRAIN_JUMPRELU ? PENALTY_L0 : PENALTY_LP,
            .weight = 1,
            .p = 1};
    return plan;
}

void problem_kill(const struct problem *q, uint64_t *silent)
{
    double sum = 0;
    for (size_t i = 0; i < q->shape.m; i++) {
        sum += q->shape.dead;
        silent[i] = sum >= 1 ? DEAD_TOKENS : 0;
        sum -= sum >= 1 ? 1 : 0;
    }
}
