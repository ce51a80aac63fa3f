/* SPDX-License-Identifier: MIT */
#include "train/run.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "kernels/kernels.h"
#include "train/checkpoint.h"
#include "train/initialise.h"
#include "train/record.h"
#include "train/schedule.h"
#include "train/warm_start.h"

enum { CURVE_POINTS = 50 }; /* lines of metrics.jsonl in a run, about */

static struct step_plan plan_at(const struct run *r, uint64_t t)
{
    return (struct step_plan){
        .rule = r->config.rule,
        .k = train_k_at(&r->config, t),
        .rate = train_rate_at(&r->config, t),
        .t = t,
        .groups = r->config.groups,
        .penalty = controller_penalty(&r->controller, &r->config.sparsity, t),
        .bandwidth = r->config.sparsity.bandwidth,
        .pull = r->config.sparsity.pull,
        .aux = r->config.aux,
        .aux_parts = r->config.aux_parts,
        .dead_tokens = r->config.dead_tokens,
    };
}

/* ---- opening ---- */

/* Steps from one point of the curve to the next. */
static uint64_t curve_every(const struct run *r)
{
    uint64_t every = (uint64_t)r->spec->options->metrics_every;
    uint64_t own = r->config.steps / CURVE_POINTS;
    return every > 0 ? every : own > 0 ? own : 1;
}

/* What is measured on rows that train: their statistics, and the curve takes
 * some of them. */
static int measure_sample(struct run *r, bool axes, struct err *e)
{
    struct arena scratch = {0};
    float *rows;
    size_t n, few = curve_rows(curve_every(r), r->config.batch);
    int code = input_training_sample(&rows, &n, &r->in, &scratch, e);
    if (code == 0)
        code = input_statistics_measure(&r->statistics, rows, n, r->in.d, axes,
                                        r->job->team, e);
    if (code == 0)
        code = curve_init(&r->curve, &r->in, rows, n, few, e);
    arena_free(&scratch);
    return code;
}

/* The tensors of the architecture. */
static int make_parameters(struct run *r, struct err *e)
{
    TRY(parameters_init(&r->p, r->in.d, r->config.m, e));
    if (r->config.architecture == TRAIN_JUMPRELU)
        return parameters_add_threshold(&r->p, e);
    if (r->config.architecture == TRAIN_GATED)
        return parameters_add_gate(&r->p, e);
    return 0;
}

int run_prepare(struct run *r, const struct train_job *job,
                const struct train_spec *spec, const struct reading *reading,
                struct err *e)
{
    *r = (struct run){.job = job, .spec = spec, .output.lock_fd = -1};
    uint64_t rows = view_rows(reading->view, &reading->train);
    TRY(input_open(&r->in, reading, spec->first, spec->d, e));
    struct train_options o = *spec->options;
    if (o.start != NULL && (o.init == TRAIN_INIT_ACTIVE || o.encoder_scale > 0))
        return err_set(e, ERR_INPUT,
                       "--start begins with the weights of an SAE; leave "
                       "--init and --encoder-scale away");
    if (o.start != NULL) {
        TRY(warm_start_load(&r->start, o.start, spec->d, e));
        if (o.features != 0 && (size_t)o.features != r->start.m)
            return err_set(e, ERR_INPUT,
                           "--features %" PRId64 ": %s has %zu; leave "
                           "--features away",
                           o.features, o.start, r->start.m);
        o.features = (int64_t)r->start.m;
    }
    TRY(train_configure(&r->config, &o, spec->d, rows, e));
    if (o.raw_inputs) {
        r->in.scale = 1;
        r->config.sparsity.spread = r->in.variance;
    }
    TRY(measure_sample(r, o.init == TRAIN_INIT_ACTIVE, e));
    TRY(make_parameters(r, e));
    TRY(step_init(&r->step, &r->p, job->team, r->config.batch, e));
    r->step.optimiser = r->config.optimiser;
    return arena_get(&r->arena, &r->batch, r->config.batch * spec->d,
                     sizeof(float), "batch", e);
}

int run_initialise(struct run *r, struct err *e)
{
    struct step_plan plan = plan_at(r, 1);
    if (r->start.d > 0) {
        warm_start(&r->step, &r->start, &r->in);
        return 0;
    }
    const struct train_options *o = r->spec->options;
    const struct start start = {
        .encoder_scale = o->encoder_scale,
        .untied = o->init == TRAIN_INIT_UNTIED,
        .zero_bias = o->zero_bias,
        .threshold = r->config.sparsity.threshold_start,
        .target = r->config.k,
        .seed = r->job->reading.seed,
    };
    return initialise(&r->step, &r->in, &r->statistics, &plan, &start, e);
}

static int begin_anew(struct run *r, struct err *e)
{
    TRY(run_initialise(r, e));
    TRY(curve_begin(&r->curve, r->output.partial, e));
    return checkpoint_begin(r->output.partial, r->identity, e);
}

/* The end of a run that goes on from `from`: its own, or with `extend` so many
 * rows behind that. */
static int set_end(struct run *r, const char *from, uint64_t done,
                   struct err *e)
{
    uint64_t end, began;
    TRY(checkpoint_end(&end, &began, from, e));
    if (r->job->extend > 0) {
        if (done < end)
            return err_set(e, ERR_INPUT,
                           "%s: stands at step %" PRIu64 " of %" PRIu64
                           "; finish it with --resume before it is extended",
                           from, done, end);
        began = end;
        end += (r->job->extend - 1) / r->config.batch + 1;
    }
    if (began > 0)
        train_extend(&r->config, began, end);
    if (r->config.steps != end || done > end)
        return err_set(e, ERR_INPUT,
                       "%s: stands at step %" PRIu64 " of %" PRIu64
                       ", but this run would have %" PRIu64
                       "; go on with the same --tokens, or begin anew with "
                       "--force",
                       from, done, end, r->config.steps);
    int bad = json_object_set_new(r->identity, "steps",
                                  json_integer((json_int_t)end));
    bad |= json_object_set_new(r->identity, "extended_from",
                               json_integer((json_int_t)began));
    return bad != 0 ? err_memory(e, "checkpoint", 0) : 0;
}

/* What its checkpoints hold beside weights. */
static struct checkpoint_parts checkpoint_parts(const struct run *r)
{
    return (struct checkpoint_parts){
        .controller = train_has_penalty(r->config.architecture),
        .fired = r->config.resampling.times > 0};
}

/* Goes on from the checkpoint in folder `from`. */
static int go_on(struct run *r, const char *from, struct err *e)
{
    struct checkpoint c;
    TRY(checkpoint_compare(from, r->identity, true, e));
    c.controller = r->controller;
    TRY(checkpoint_load(&c, &r->step, checkpoint_parts(r), from, e));
    r->controller = c.controller;
    TRY(set_end(r, from, c.step, e));
    TRY(curve_go_on(&r->curve, r->output.partial, from, c.curve_bytes, e));
    r->done = r->begun = r->saved = c.step;
    if (strcmp(from, r->output.partial) == 0)
        return 0;
    r->saved = 0; /* in this folder there is none yet */
    return checkpoint_begin(r->output.partial, r->identity, e);
}

static int open_output(struct run *r, struct err *e)
{
    const struct train_job *job = r->job;
    const char *path = r->spec->output;
    bool kept = false;
    if (!job->resume && job->extend == 0) {
        if (!job->force && output_is_unfinished(path, CHECKPOINT_STATE))
            return err_set(e, ERR_INPUT,
                           "%s: a run was interrupted and left its checkpoint; "
                           "go on with --resume or begin anew with --force",
                           path);
        TRY(output_begin_folder(&r->output, path, "cfg.json", job->force, e));
        return begin_anew(r, e);
    }
    if (job->extend > 0 && output_is_unfinished(path, CHECKPOINT_STATE))
        return err_set(e, ERR_INPUT,
                       "%s: a run was interrupted; finish it with --resume "
                       "before it is extended",
                       path);
    TRY(output_resume_folder(&r->output, path, "cfg.json", CHECKPOINT_STATE,
                             &kept, e));
    r->keeps = kept;
    if (kept)
        return go_on(r, r->output.partial, e);
    char state[OUTPUT_PATH_MAX];
    TRY(output_join(state, r->output.path, CHECKPOINT_STATE, e));
    if (access(state, F_OK) == 0)
        return go_on(r, r->output.path, e);
    if (job->extend > 0)
        return err_set(e, ERR_INPUT, "%s has no checkpoint to go on from",
                       path);
    return begin_anew(r, e);
}

int run_open(struct run *r, const struct train_job *job,
             const struct train_spec *spec, const struct reading *reading,
             struct err *e)
{
    TRY(run_prepare(r, job, spec, reading, e));
    TRY(measure_spectrum(&r->held_out, r->in.sample, r->in.sample_rows, r->in.d,
                         job->team, e));
    r->identity = record_identity(r);
    if (r->identity == NULL)
        return err_memory(e, "checkpoint", 0);
    return open_output(r, e);
}

/* ---- steps ---- */

static double dead_fraction(const struct run *r)
{
    size_t dead = 0;
    for (size_t i = 0; i < r->config.m; i++)
        dead += r->step.silent[i] >= r->config.dead_tokens;
    return (double)dead / (double)r->config.m;
}

static int add_curve_point(struct run *r, const struct step_plan *plan,
                           struct err *e)
{
    TRY(curve_measure(&r->curve, &r->step, plan, (size_t)r->spec->heads, e));
    struct record_point point = {
        .step = r->done,
        .tokens = r->done * r->config.batch,
        .k = plan->k,
        .loss = r->last.loss,
        .batch_fvu = r->spec->options->raw_inputs
                         ? r->last.error / r->in.variance
                         : r->last.error / (double)r->in.d,
        .penalty = &plan->penalty,
        .curve = &r->curve,
        .spectrum = &r->held_out,
        .scale = r->in.scale,
        .l0 = r->last.l0,
        .dead_fraction = dead_fraction(r),
        .rate = plan->rate,
        .gradient_norm = r->step.norm,
    };
    return r->curve.file == NULL ? 0 : record_curve_point(&point, e);
}

static int not_finite(struct run *r, struct err *e)
{
    r->diverged = true;
    char where[80] = "nothing was saved before";
    if (r->saved > 0)
        (void)snprintf(where, sizeof where,
                       "the last good checkpoint is that of step %" PRIu64,
                       r->saved);
    return err_set(e, ERR_INPUT,
                   "%s: the loss is not finite at step %" PRIu64
                   "; %s; a --rate lower than %g in a new run (--force) may "
                   "help",
                   r->spec->output, r->done, where, r->config.rate);
}

static int resample_dead(struct run *r, const struct step_plan *plan,
                         struct err *e)
{
    size_t d = r->in.d, n, count;
    struct arena scratch = {0};
    float *rows;
    int code = input_training_sample(&rows, &n, &r->in, &scratch, e);
    if (code == 0) {
        kernels.scale(rows, (float)r->in.scale, n * d);
        code = resample(&r->step, &r->config.resampling, rows, n, plan,
                        r->job->reading.seed, &count, e);
    }
    arena_free(&scratch);
    if (code == 0)
        log_line(LOG_PROGRESS, "step %" PRIu64 ": %zu features begin anew",
                 r->done, count);
    return code;
}

/* What is due after the step of the plan. One window may begin where the one
 * before ends. */
static int resample_if_due(struct run *r, const struct step_plan *plan,
                           struct err *e)
{
    const struct resampling *how = &r->config.resampling;
    if (resample_is_due(how, r->done))
        TRY(resample_dead(r, plan, e));
    if (resample_begins_window(how, r->done))
        memset(r->step.fired, 0, r->config.m * sizeof *r->step.fired);
    return 0;
}

int run_step(struct run *r, const float *rows, struct err *e)
{
    const struct train_config *c = &r->config;
    struct step_plan plan = plan_at(r, r->done + 1);
    input_take(&r->in, r->batch, rows, c->batch);
    TRY(step_run(&r->step, r->batch, c->batch, &plan, &r->last, e));
    r->done++;
    controller_observe(&r->controller, &c->sparsity, r->done, c->steps,
                       &r->last);
    if (!isfinite(r->last.loss) || !isfinite(r->step.norm))
        return not_finite(r, e);
    if (r->done % curve_every(r) == 0 || r->done == c->steps)
        TRY(add_curve_point(r, &plan, e));
    return resample_if_due(r, &plan, e);
}

int run_save(struct run *r, struct err *e)
{
    struct checkpoint c = {.step = r->done, .controller = r->controller};
    /* On disk before the checkpoint that counts on it. */
    TRY(curve_sync(&r->curve, &c.curve_bytes, e));
    if (!r->keeps)
        TRY(output_sync(r->output.partial, e));
    TRY(checkpoint_save(r->output.partial, &c, &r->step, checkpoint_parts(r),
                        e));
    r->saved = r->done;
    r->keeps = true;
    return 0;
}

/* ---- writing ---- */

static int write_sae(struct run *r, struct train_result *out, struct err *e)
{
    const char *folder = r->output.partial;
    struct sae sae;
    const struct finish_input f = {.p = &r->p,
                                   .in = &r->in,
                                   .held_out = &r->held_out,
                                   .config = &r->config,
                                   .spec = r->spec,
                                   .team = r->job->team};
    TRY(finish_sae(&sae, &out->held_out, &f, e));
    json_t *record = record_json(r, out);
    int code = record == NULL ? err_memory(e, "headscope.json", 0)
                              : sae_write(&sae, folder, record, e);
    json_decref(record);
    json_decref(out->held_out.all);
    out->held_out.all = NULL;
    sae_free(&sae);
    if (code == 0)
        code = input_statistics_write(&r->statistics, &r->in, folder, e);
    if (code == 0)
        code = record_timing(folder, out, e);
    return code;
}

int run_finish(struct run *r, struct train_result *out, double seconds,
               struct err *e)
{
    *out = (struct train_result){
        .config = r->config,
        .steps = r->done,
        .tokens = r->done * r->config.batch,
        .tokens_now = (r->done - r->begun) * r->config.batch,
        .dead_fraction = dead_fraction(r),
        .seconds = seconds,
        .waited = shuffle_waited(r->in.reading->order),
    };
    if (r->saved != r->done)
        TRY(run_save(r, e));
    TRY(curve_end(&r->curve, e));
    return write_sae(r, out, e);
}

int run_commit(struct run *r, struct err *e)
{
    char old[OUTPUT_PATH_MAX];
    /* The two folders change places and the old one is then removed. Killed in
     * between, it must not be taken for a run to go on with; its checkpoint is
     * older than the one that is in place then. */
    TRY(output_join(old, r->output.path, CHECKPOINT_STATE, e));
    if (unlink(old) != 0 && errno != ENOENT && errno != ENOTDIR)
        return err_errno(e, "cannot remove %s", old);
    return output_commit(&r->output, e);
}

void run_close(struct run *r)
{
    curve_free(&r->curve);
    if (r->keeps)
        output_leave(&r->output);
    else
        output_abort(&r->output);
    step_free(&r->step);
    parameters_free(&r->p);
    input_close(&r->in);
    input_statistics_free(&r->statistics);
    spectrum_free(&r->held_out);
    sae_free(&r->start);
    arena_free(&r->arena);
    json_decref(r->identity);
    *r = (struct run){.output.lock_fd = -1};
}
