/* SPDX-License-Identifier: MIT */
#include "train/train.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/progress.h"
#include "train/run.h"

/* Seconds between checkpoints where the options do not count steps: what a
 * crash may cost. */
static const double checkpoint_seconds = 300;

/* A job on its way. */
struct work {
    const struct train_job *job;
    struct reading reading;
    bool is_open;
    struct run *runs; /* [n_specs] */
    size_t opened;
    struct err failure; /* of the first run that failed alone */
    float *rows;        /* (batch, width) */
    struct arena arena;
};

static void work_close(struct work *w)
{
    for (size_t i = 0; i < w->opened; i++)
        run_close(&w->runs[i]);
    if (w->is_open)
        reading_close(&w->reading);
    arena_free(&w->arena);
}

static int open_reading(struct work *w, const struct train_job *job,
                        struct err *e)
{
    *w = (struct work){.job = job};
    const struct view *v = job->view;
    for (size_t l = 0; l < v->layers; l++) {
        log_line(LOG_DETAIL, "checking and measuring layer %d", v->layer[l]);
        TRY(dump_verify_layer(v->dump, v->layer[l], e));
    }
    TRY(arena_get(&w->arena, &w->runs, job->n_specs, sizeof *w->runs, "runs",
                  e));
    TRY(reading_open(&w->reading, v, &job->reading, job->team, e));
    w->is_open = true;
    if (w->reading.left_out > 0)
        log_line(LOG_PROGRESS, "%" PRIu64 " tokens are left out",
                 w->reading.left_out);
    return 0;
}

static int open_runs(struct work *w, bool outputs, struct err *e)
{
    const struct train_job *job = w->job;
    for (size_t i = 0; i < job->n_specs; i++) {
        w->opened = i + 1;
        struct run *r = &w->runs[i];
        TRY((outputs ? run_open : run_prepare)(r, job, &job->specs[i],
                                               &w->reading, e));
        if (r->config.batch != w->runs[0].config.batch)
            return err_set(e, ERR_INPUT,
                           "SAEs that are trained side by side "
                           "have one batch size");
    }
    return arena_get(&w->arena, &w->rows,
                     w->runs[0].config.batch * job->view->width, sizeof(float),
                     "batch", e);
}

static bool is_left(const struct run *r)
{
    return !r->failed && r->done < r->config.steps;
}

/* Steps that the run furthest behind has done; UINT64_MAX if none is left. */
static uint64_t steps_done(const struct work *w)
{
    uint64_t done = UINT64_MAX;
    for (size_t i = 0; i < w->job->n_specs; i++)
        if (is_left(&w->runs[i]) && w->runs[i].done < done)
            done = w->runs[i].done;
    return done;
}

/* The longest run's steps. */
static uint64_t steps_of_all(const struct work *w)
{
    uint64_t all = 0;
    for (size_t i = 0; i < w->job->n_specs; i++)
        if (w->runs[i].config.steps > all)
            all = w->runs[i].config.steps;
    return all;
}

/* One run's failure does not end those beside it. The first is kept for the
 * end; where others go on, it is said at once. */
static void set_aside(struct work *w, struct run *r, const struct err *e)
{
    r->failed = true;
    if (w->failure.code == 0)
        w->failure = *e;
    if (w->job->n_specs > 1)
        log_line(LOG_RESULT, "%s", e->msg);
}

static bool saving_is_due(const struct work *w, uint64_t done, double since)
{
    uint64_t every = (uint64_t)w->job->checkpoint_steps;
    return every > 0 ? done % every == 0
                     : clock_seconds() - since > checkpoint_seconds;
}

/* One batch for all runs that are at step `done`. */
static int one_batch(struct work *w, uint64_t done, struct err *e)
{
    TRY(reading_next(&w->reading, w->rows, w->runs[0].config.batch, e));
    for (size_t i = 0; i < w->job->n_specs; i++) {
        struct run *r = &w->runs[i];
        if (r->done != done || !is_left(r))
            continue;
        int code = run_step(r, w->rows, e);
        if (code != 0 && !r->diverged)
            return code;
        if (code != 0)
            set_aside(w, r, e);
    }
    return 0;
}

static int save_all(struct work *w, uint64_t done, struct err *e)
{
    for (size_t i = 0; i < w->job->n_specs; i++) {
        struct run *r = &w->runs[i];
        if (!r->failed && r->done == done && r->saved != done)
            TRY(run_save(r, e));
    }
    return 0;
}

/* Of the first run that has not failed. */
static void show_progress(const struct work *w, struct progress *bar,
                          uint64_t done)
{
    const struct run *r = &w->runs[0];
    for (size_t i = 0; r->failed && i < w->job->n_specs; i++)
        r = &w->runs[i];
    size_t dead = 0;
    for (size_t i = 0; i < r->config.m; i++)
        dead += r->step.silent[i] >= r->config.dead_tokens;
    char note[140], fvu[16] = "-";
    if (r->curve.figures.rows > 0)
        (void)snprintf(fvu, sizeof fvu, "%.3f", metrics_fvu(&r->curve.figures));
    (void)snprintf(note, sizeof note,
                   "step %" PRIu64 "  loss %.3g  FVU %s  L0 %.0f  dead %zu",
                   done, r->last.loss, fvu, r->last.l0, dead);
    progress_set(bar, done * r->config.batch, note);
}

static int loop(struct work *w, struct err *e)
{
    uint64_t done = steps_done(w), all = steps_of_all(w);
    const size_t batch = w->runs[0].config.batch;
    char what[40];
    (void)snprintf(what, sizeof what, "train layer %d", w->job->view->layer[0]);
    struct progress bar;
    progress_begin(&bar, what, "tokens", (done < all ? done : all) * batch,
                   all * batch);
    double saved = clock_seconds();
    int code = 0;
    while (code == 0 && done < all && !interrupt_requested()) {
        shuffle_seek(w->reading.order, done * batch);
        code = one_batch(w, done++, e);
        if (code == 0)
            show_progress(w, &bar, done);
        if (code == 0 && steps_done(w) < all && saving_is_due(w, done, saved)) {
            code = save_all(w, done, e);
            saved = clock_seconds();
        }
        done = steps_done(w);
    }
    progress_end(&bar);
    return code;
}

/* ---- the end of a job ---- */

/* Whether a run has a checkpoint that another failure than its own loss leaves
 * to go on from. Not where it was refused. */
static bool keeps_work(const struct run *r)
{
    return r->keeps && !r->diverged && r->output.lock_fd >= 0 &&
           r->done > r->begun;
}

/* A failure does not cost what was trained before it: says so. */
static int add_kept(bool kept, struct err *e)
{
    const struct err cause = *e;
    if (!kept || e->code == ERR_INTERRUPTED)
        return e->code;
    return err_set(e, cause.code,
                   "%s; the checkpoint of what was trained is kept, --resume "
                   "goes on from there",
                   cause.msg);
}

/* Before the first step of run `r` there is nothing to write. Other things may
 * be there: SAEs of earlier jobs, and checkpoints of those beside it. */
static int interrupted_early(const struct work *w, const struct run *r,
                             struct err *e)
{
    bool kept = false;
    for (size_t i = 0; i < w->job->n_specs; i++)
        kept |= w->runs[i].begun > 0;
    return err_set(
        e, ERR_INTERRUPTED, "interrupted before the first step of %s; %s",
        r->spec->output,
        kept ? "the checkpoints of those beside it are as they were, "
               "and --resume goes on"
        : w->job->n_specs > 1 ? "nothing is written of it and those beside it"
                              : "nothing is written of it");
}

static void write_runs(struct work *w, struct train_result *out, double seconds)
{
    for (size_t i = 0; i < w->job->n_specs; i++) {
        struct run *r = &w->runs[i];
        struct err e;
        out[i].diverged = r->diverged;
        if (r->failed)
            continue;
        int code = run_finish(r, &out[i], seconds, &e);
        if (code == 0)
            code = run_commit(r, &e);
        if (code == 0)
            continue;
        out[i] = (struct train_result){.steps = 0};
        (void)add_kept(keeps_work(r), &e);
        if (w->job->n_specs > 1)
            (void)err_prefix(&e, "%s", r->spec->output);
        set_aside(w, r, &e);
    }
}

static int interrupted(const struct work *w, size_t written, size_t first,
                       struct err *e)
{
    const struct run *r = &w->runs[first];
    char others[40] = "";
    if (written > 1)
        (void)snprintf(others, sizeof others, " and %zu more", written - 1);
    return err_set(e, ERR_INTERRUPTED,
                   "interrupted after %" PRIu64 " of %" PRIu64
                   " steps; the SAE as it was then is in %s%s, and --resume "
                   "goes on with it%s%s",
                   r->done, r->config.steps, r->spec->output, others,
                   w->failure.code != 0 ? "; " : "",
                   w->failure.code != 0 ? w->failure.msg : "");
}

/* What the job came to: done, interrupted, or failed for some. */
static int sum_up(const struct work *w, const struct train_result *out,
                  struct err *e)
{
    bool whole = true;
    size_t n = w->job->n_specs, written = 0, first = n;
    for (size_t i = 0; i < n; i++) {
        if (out[i].steps == 0)
            continue;
        first = first < n ? first : i;
        whole &= w->runs[i].done >= w->runs[i].config.steps;
        written++;
    }
    if (!whole)
        return interrupted(w, written, first, e);
    if (written == n)
        return 0;
    char others[80] = "";
    if (written == 1)
        (void)snprintf(others, sizeof others,
                       "; the other is trained to the end and written");
    else if (written > 1)
        (void)snprintf(others, sizeof others,
                       "; the other %zu are trained to the end and written",
                       written);
    if (n - written == 1)
        return err_set(e, w->failure.code, "%s%s", w->failure.msg, others);
    return err_set(e, w->failure.code, "%s; with it %zu more failed%s",
                   w->failure.msg, n - written - 1, others);
}

static int finish_all(struct work *w, struct train_result *out, double seconds,
                      struct err *e)
{
    for (size_t i = 0; i < w->job->n_specs; i++)
        if (w->runs[i].done == 0)
            return interrupted_early(w, &w->runs[i], e);
    write_runs(w, out, seconds);
    return sum_up(w, out, e);
}

int train_run(struct train_result *out, const struct train_job *job,
              struct err *e)
{
    struct work w;
    memset(out, 0, job->n_specs * sizeof *out);
    int code = open_reading(&w, job, e);
    if (code == 0)
        code = open_runs(&w, true, e);
    double begun = clock_seconds();
    if (code == 0)
        code = loop(&w, e);
    bool kept = false;
    for (size_t i = 0; i < w.opened; i++)
        kept |= keeps_work(&w.runs[i]);
    code = code != 0 ? add_kept(kept, e)
                     : finish_all(&w, out, clock_seconds() - begun, e);
    work_close(&w);
    return code;
}

/* ---- --dry-run ---- */

int train_estimate_run(struct train_estimate *out, const struct train_job *job,
                       struct err *e)
{
    enum { TRIAL_STEPS = 3 };
    struct work w;
    int code = open_reading(&w, job, e);
    if (code == 0)
        code = open_runs(&w, false, e);
    for (size_t i = 0; code == 0 && i < job->n_specs; i++)
        code = run_initialise(&w.runs[i], e);
    if (code == 0)
        code = one_batch(&w, 0, e); /* warms up caches and memory */
    double begun = clock_seconds();
    for (uint64_t t = 1; code == 0 && t <= TRIAL_STEPS; t++)
        code = one_batch(&w, t, e);
    if (code == 0 && w.failure.code != 0)
        code = err_set(e, w.failure.code, "%s", w.failure.msg);
    double seconds = (clock_seconds() - begun) / TRIAL_STEPS;
    *out = (struct train_estimate){.memory = 0};
    for (size_t i = 0; code == 0 && i < job->n_specs; i++) {
        const struct run *r = &w.runs[i];
        size_t weights = 2 * r->in.d * r->config.m + r->in.d + 2 * r->config.m;
        out->memory += r->p.arena.bytes + r->step.arena.bytes +
                       r->step.gradient_arena.bytes + r->arena.bytes +
                       r->curve.arena.bytes + r->step.encoder.arena.bytes;
        /* The SAE, and a checkpoint with Adam's moments. */
        out->written += weights * sizeof(float) * 4;
    }
    if (code == 0) {
        out->config = w.runs[0].config;
        out->seconds = seconds * (double)out->config.steps;
        out->memory += shuffle_bytes(w.reading.order) + w.reading.arena.bytes +
                       w.arena.bytes;
    }
    work_close(&w);
    return code;
}
