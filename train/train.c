/* SPDX-License-Identifier: MIT */
#include "train/train.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/log.h"
#include "base/output.h"
#include "base/progress.h"
#include "train/initialise.h"
#include "train/record.h"

enum {
    CURVE_POINTS = 50, /* lines of metrics.jsonl in a run, about */
    CURVE_ROWS = 4096, /* held-out rows behind each */
};

/* A run from its first step to its last. Zero it to begin. */
struct run {
    const struct train_job *job;
    struct train_config config;
    struct input in;
    struct parameters p;
    struct step step;
    struct arena arena;
    float *batch; /* (batch, d) */
    float *check; /* (check_rows, d) held-out rows, scaled */
    size_t check_rows;
    struct metrics held_out; /* of the check rows, at the last curve point */
    uint64_t done;           /* steps */
    char hook[64];
    FILE *curve;
};

static void run_free(struct run *r)
{
    metrics_free(&r->held_out);
    step_free(&r->step);
    parameters_free(&r->p);
    input_close(&r->in);
    arena_free(&r->arena);
}

static struct step_plan plan_at(const struct run *r, uint64_t t)
{
    return (struct step_plan){
        .rule = r->config.rule,
        .k = train_k_at(&r->config, t),
        .rate = train_rate_at(&r->config, t),
        .t = t,
        .aux = r->job->options->aux,
        .dead_tokens = r->config.dead_tokens,
    };
}

/* ---- preparing ---- */

/* Scaled held-out rows for the curve. */
static int take_check_rows(struct run *r, struct err *e)
{
    size_t d = r->in.d, batch = r->config.batch;
    size_t n = r->in.sample_rows < CURVE_ROWS ? r->in.sample_rows : CURVE_ROWS;
    r->check_rows = n < batch ? n : batch;
    n = r->check_rows * d;
    TRY(arena_get(&r->arena, &r->check, n, sizeof(float), "held-out rows", e));
    for (size_t i = 0; i < n; i++)
        r->check[i] = (float)r->in.scale * r->in.sample[i];
    return 0;
}

static int prepare(struct run *r, const struct train_job *job, struct err *e)
{
    const struct train_options *o = job->options;
    r->job = job;
    (void)snprintf(r->hook, sizeof r->hook, "blocks.%d.attn.hook_z",
                   job->layer);
    log_line(LOG_DETAIL, "checking and measuring layer %d", job->layer);
    TRY(dump_verify_layer(job->dump, job->layer, e));
    TRY(input_open(&r->in, job->dump, job->layer, o->held_out, job->seed,
                   job->team, e));
    TRY(train_configure(&r->config, o, r->in.d, row_set_total(&r->in.train),
                        e));
    TRY(input_shuffle(&r->in, job->seed, (uint64_t)o->memory, e));
    TRY(parameters_init(&r->p, r->in.d, r->config.m, e));
    TRY(step_init(&r->step, &r->p, job->team, r->config.batch, e));
    TRY(arena_get(&r->arena, &r->batch, r->config.batch * r->in.d,
                  sizeof(float), "batch", e));
    TRY(take_check_rows(r, e));
    struct step_plan plan = plan_at(r, 1);
    return initialise(&r->step, &r->in, &plan, job->seed, e);
}

/* ---- the loop ---- */

static double dead_fraction(const struct run *r)
{
    size_t dead = 0;
    for (size_t i = 0; i < r->config.m; i++)
        dead += r->step.silent[i] >= r->config.dead_tokens;
    return (double)dead / (double)r->config.m;
}

/* The held-out check rows under the rule of training. */
static int check_held_out(struct run *r, const struct step_plan *plan,
                          struct err *e)
{
    struct step_result result;
    const struct parameters *p = &r->p;
    const struct sae view = {
        .d = p->d, .m = p->m, .w_dec = p->w_dec.w, .b_dec = p->b_dec.w};
    size_t heads = (size_t)dump_info(r->in.dump)->heads;
    TRY(step_forward(&r->step, r->check, r->check_rows, plan, &result, e));
    metrics_free(&r->held_out);
    TRY(metrics_init(&r->held_out, p->d, p->m, heads, e));
    return metrics_add(&r->held_out, &view, r->job->team, r->check,
                       &r->step.codes, e);
}

static int add_curve_point(struct run *r, const struct step_plan *plan,
                           const struct step_result *result, struct err *e)
{
    TRY(check_held_out(r, plan, e));
    struct record_point point = {
        .step = r->done,
        .tokens = r->done * r->config.batch,
        .k = plan->k,
        .loss = result->loss,
        .train_fvu = result->loss / (double)r->in.d,
        .held_out = &r->held_out,
        .l0 = result->l0,
        .dead_fraction = dead_fraction(r),
        .rate = plan->rate,
        .gradient_norm = r->step.norm,
    };
    return record_curve_point(r->curve, &point, e);
}

static int one_step(struct run *r, struct step_result *result, struct err *e)
{
    struct step_plan plan = plan_at(r, r->done + 1);
    TRY(input_next(&r->in, r->batch, r->config.batch, e));
    TRY(step_run(&r->step, r->batch, r->config.batch, &plan, result, e));
    r->done++;
    if (!isfinite(result->loss) || !isfinite(r->step.norm))
        return err_set(e, ERR_INPUT,
                       "loss is not finite at step %" PRIu64
                       "; lower --rate (now %g)",
                       r->done, r->config.rate);
    return 0;
}

static int loop(struct run *r, struct err *e)
{
    const struct train_config *c = &r->config;
    uint64_t every = (uint64_t)r->job->options->metrics_every;
    if (every == 0)
        every = c->steps / CURVE_POINTS > 0 ? c->steps / CURVE_POINTS : 1;
    char what[32], note[120];
    (void)snprintf(what, sizeof what, "train layer %d", r->job->layer);
    struct progress bar;
    progress_begin(&bar, what, "tokens", 0, c->steps * c->batch);
    double fvu = 0;
    int code = 0;
    while (code == 0 && r->done < c->steps && !interrupt_requested()) {
        struct step_result result;
        code = one_step(r, &result, e);
        if (code == 0 && (r->done % every == 0 || r->done == c->steps)) {
            struct step_plan plan = plan_at(r, r->done);
            code = add_curve_point(r, &plan, &result, e);
            fvu = metrics_fvu(&r->held_out);
        }
        (void)snprintf(note, sizeof note,
                       "step %" PRIu64 "  loss %.3g  FVU %.3f  L0 %.0f",
                       r->done, result.loss, fvu, result.l0);
        if (code == 0)
            progress_set(&bar, r->done * c->batch, note);
    }
    progress_end(&bar);
    return code;
}

/* ---- writing ---- */

static int write_folder(struct run *r, struct train_result *out,
                        const char *folder, struct err *e)
{
    struct sae sae;
    TRY(finish_sae(&sae, &out->held_out, &r->p, &r->in, &r->config, r->hook,
                   r->job->team, e));
    json_t *record = record_json(r->job, out, &r->in);
    int code = record == NULL ? err_memory(e, "headscope.json", 0)
                              : sae_write(&sae, folder, record, e);
    json_decref(record);
    json_decref(out->held_out.all);
    out->held_out.all = NULL;
    sae_free(&sae);
    if (code == 0)
        code = record_timing(folder, out, e);
    return code;
}

static int train_into(struct run *r, struct train_result *out,
                      const char *folder, struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    TRY(prepare(r, r->job, e));
    TRY(output_join(path, folder, "metrics.jsonl", e));
    r->curve = fopen(path, "wb");
    if (r->curve == NULL)
        return err_errno(e, "cannot write %s", path);
    double begun = clock_seconds();
    int code = loop(r, e);
    if (fclose(r->curve) != 0 && code == 0)
        code = err_errno(e, "cannot write %s", path);
    TRY(code);
    if (r->done == 0)
        return err_set(e, ERR_INTERRUPTED, "interrupted; nothing written");
    *out = (struct train_result){
        .config = r->config,
        .steps = r->done,
        .tokens = r->done * r->config.batch,
        .dead_fraction = dead_fraction(r),
        .seconds = clock_seconds() - begun,
    };
    return write_folder(r, out, folder, e);
}

int train_run(struct train_result *out, const struct train_job *job,
              struct err *e)
{
    struct output output;
    TRY(output_begin_folder(&output, job->output, "cfg.json", job->force, e));
    struct run r = {.job = job};
    int code = train_into(&r, out, output.partial, e);
    bool whole = r.done == r.config.steps;
    run_free(&r);
    if (code != 0) {
        output_abort(&output);
        return code;
    }
    TRY(output_commit(&output, e));
    if (!whole)
        return err_set(e, ERR_INTERRUPTED,
                       "interrupted after %" PRIu64 " of %" PRIu64
                       " steps; the SAE as it was then is in %s",
                       out->steps, out->config.steps, job->output);
    return 0;
}

/* ---- --dry-run ---- */

/* What the shuffle holds: all rows, with two numbers each, if they fit. */
static uint64_t reservoir_bytes(const struct run *r)
{
    size_t row = r->in.d * dtype_size(dump_info(r->in.dump)->dtype);
    uint64_t all = row_set_total(&r->in.train) * (row + 2 * sizeof(uint64_t));
    uint64_t most = (uint64_t)r->job->options->memory;
    return all < most ? all : most;
}

int train_estimate_run(struct train_estimate *out, const struct train_job *job,
                       struct err *e)
{
    enum { TRIAL_STEPS = 3 };
    struct run r = {.job = job};
    int code = prepare(&r, job, e);
    struct step_result result;
    if (code == 0)
        code = one_step(&r, &result, e); /* warms up caches and memory */
    double begun = clock_seconds();
    for (int i = 0; code == 0 && i < TRIAL_STEPS; i++)
        code = one_step(&r, &result, e);
    double seconds = (clock_seconds() - begun) / TRIAL_STEPS;
    if (code == 0) {
        size_t weights = 2 * r.in.d * r.config.m + r.in.d + 2 * r.config.m;
        *out = (struct train_estimate){
            .config = r.config,
            .seconds = seconds * (double)r.config.steps,
            .memory = r.p.arena.bytes + r.step.arena.bytes + r.arena.bytes +
                      r.in.arena.bytes + reservoir_bytes(&r),
            .written = weights * sizeof(float),
        };
    }
    run_free(&r);
    return code;
}
