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

int problem_parameters(struct parameters *p, const struct problem *q,
                       const struct team *team, struct err *e)
{
    TRY(parameters_init(p, q->shape.d, q->shape.m, e));
    parameters_draw(p, q->shape.seed, team);
    return 0;
}

const float *problem_rows(const struct problem *q, uint64_t t)
{
    return q->x + t % PROBLEM_BATCHES * q->shape.n * q->shape.d;
}

struct step_plan problem_plan(const struct problem *q, uint64_t t)
{
    return (struct step_plan){
        .rule =
            q->shape.architecture == TRAIN_TOPK ? RULE_TOPK : RULE_BATCH_TOPK,
        .k = q->shape.k,
        .groups = q->shape.groups,
        .rate = 1e-4,
        .t = t,
        .aux = q->shape.dead > 0 ? 1.0 / 32 : 0,
        .aux_parts = q->shape.aux_parts,
        .dead_tokens = DEAD_TOKENS,
    };
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
