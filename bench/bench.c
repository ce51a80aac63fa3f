/* SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/progress.h"
#include "bench/dense.h"

/* One way of running steps: its own parameters and counters. */
struct variant {
    struct parameters p;
    struct step step;
    struct dense dense;
    bool is_dense;
    struct team team;
    uint64_t *silent;           /* dense only */
    uint64_t t;                 /* steps done */
    size_t n;                   /* timed */
    double *seconds;            /* [steps] */
    double *phase[STEP_PHASES]; /* [steps] each */
    struct arena arena;
};

enum { WARM_STEPS = 2 };

static void variant_free(struct variant *v)
{
    if (v->is_dense)
        dense_free(&v->dense);
    else if (v->step.p != NULL)
        step_free(&v->step);
    parameters_free(&v->p);
    arena_free(&v->arena);
}

static int variant_init(struct variant *v, const struct bench_job *job,
                        int threads, bool is_dense, struct err *e)
{
    const struct problem *q = job->problem;
    *v = (struct variant){.is_dense = is_dense, .team = {threads}};
    TRY(arena_get(&v->arena, &v->seconds, job->steps, sizeof(double), "times",
                  e));
    for (size_t i = 0; i < STEP_PHASES; i++)
        TRY(arena_get(&v->arena, &v->phase[i], job->steps, sizeof(double),
                      "times", e));
    TRY(arena_get(&v->arena, &v->silent, q->shape.m, sizeof(uint64_t), "times",
                  e));
    TRY(problem_parameters(&v->p, q, &v->team, e));
    if (is_dense)
        return dense_init(&v->dense, &v->p, &v->team, q->shape.n, e);
    TRY(step_init(&v->step, &v->p, &v->team, q->shape.n, e));
    step_pack(&v->step);
    return 0;
}

/* One step; timed once the variant is warm. */
static int variant_step(struct variant *v, const struct problem *q,
                        struct err *e)
{
    struct step_result result;
    struct step_plan plan = problem_plan(q, ++v->t);
    const float *x = problem_rows(q, v->t);
    double before[STEP_PHASES];
    uint64_t *silent = v->is_dense ? v->silent : v->step.silent;
    problem_kill(q, silent);
    memcpy(before, v->step.seconds, sizeof before);
    double begun = clock_seconds();
    if (v->is_dense)
        TRY(dense_step(&v->dense, x, &plan, silent, &result, e));
    else
        TRY(step_run(&v->step, x, q->shape.n, &plan, &result, e));
    if (v->t <= WARM_STEPS)
        return 0;
    v->seconds[v->n] = clock_seconds() - begun;
    for (size_t i = 0; i < STEP_PHASES; i++)
        v->phase[i][v->n] = v->step.seconds[i] - before[i];
    v->n++;
    return 0;
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of n values; sorts them. */
static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, rising);
    return n == 0 ? 0 : (values[(n - 1) / 2] + values[n / 2]) / 2;
}

/* Bytes of memory that the process has in use; 0 if the system does not say. */
static uint64_t resident_bytes(void)
{
    unsigned long long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%llu %llu", &size, &resident) != 2)
        resident = 0;
    (void)fclose(f);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Runs the main variant warm and says what it needed. */
static int warm_up(struct bench_result *out, struct variant *v,
                   const struct bench_job *job, struct err *e)
{
    const struct problem *q = job->problem;
    size_t d = q->shape.d, m = q->shape.m;
    uint64_t before = resident_bytes();
    TRY(variant_init(v, job, job->team->threads, false, e));
    for (int i = 0; i < WARM_STEPS; i++)
        TRY(variant_step(v, q, e));
    uint64_t grown = resident_bytes() - before;
    out->weight_bytes =
        3 * sizeof(float) * (2 * d * m + d + m) + v->step.encoder.arena.bytes;
    uint64_t batch = q->shape.n * d * sizeof(float);
    out->other_bytes =
        batch + (grown > out->weight_bytes ? grown - out->weight_bytes : 0);
    return 0;
}

static void summarise(struct bench_result *out, struct variant *v, size_t n)
{
    out->seconds = median(v[0].seconds, v[0].n);
    for (size_t i = 0; i < STEP_PHASES; i++)
        out->phase[i] = median(v[0].phase[i], v[0].n);
    for (size_t i = 1; i < n; i++) {
        double seconds = median(v[i].seconds, v[i].n);
        if (v[i].is_dense)
            out->dense = seconds;
        else
            out->one_thread = seconds;
    }
    out->candidates = (double)v[0].step.candidates;
    out->passes = v[0].step.passes;
}

int bench_run(struct bench_result *out, const struct bench_job *job,
              struct err *e)
{
    struct variant v[3] = {{.t = 0}};
    size_t n = 1;
    *out = (struct bench_result){.seconds = 0};
    TRY(peak_measure(&out->peak, job->team, e));
    int code = warm_up(out, &v[0], job, e);
    if (code == 0 && job->one_thread)
        code = variant_init(&v[n++], job, 1, false, e);
    if (code == 0 && job->dense)
        code = variant_init(&v[n++], job, job->team->threads, true, e);
    size_t rounds = WARM_STEPS + job->steps;
    struct progress bar;
    progress_begin(&bar, "bench", "rounds", 0, rounds);
    for (size_t i = 0; code == 0 && i < rounds; i++) {
        for (size_t j = 0; code == 0 && j < n; j++)
            if (v[j].n < job->steps)
                code = variant_step(&v[j], job->problem, e);
        progress_set(&bar, i + 1, "");
        if (code == 0 && interrupt_requested())
            code = err_set(e, ERR_INTERRUPTED, "interrupted");
    }
    progress_end(&bar);
    if (code == 0)
        summarise(out, v, n);
    for (size_t i = 0; i < n; i++)
        variant_free(&v[i]);
    return code;
}
