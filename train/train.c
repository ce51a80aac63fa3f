/* SPDX-License-Identifier: MIT */
#include "train/train.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

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
    float *rows; /* (batch, width) */
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

/* Steps that the run furthest behind has done, and the longest run's steps. */
static uint64_t steps_done(const struct work *w, uint64_t *all)
{
    uint64_t done = UINT64_MAX;
    *all = 0;
    for (size_t i = 0; i < w->job->n_specs; i++) {
        const struct run *r = &w->runs[i];
        done = r->done < done ? r->done : done;
        *all = r->config.steps > *all ? r->config.steps : *all;
    }
    return done;
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
        if (r->done == done && done < r->config.steps)
            TRY(run_step(r, w->rows, e));
    }
    return 0;
}

static int save_all(struct work *w, uint64_t done, struct err *e)
{
    for (size_t i = 0; i < w->job->n_specs; i++)
        if (w->runs[i].done == done && w->runs[i].saved != done)
            TRY(run_save(&w->runs[i], e));
    return 0;
}

static void show_progress(const struct work *w, struct progress *bar,
                          uint64_t done)
{
    const struct run *r = &w->runs[0];
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
    uint64_t all, done = steps_done(w, &all);
    const size_t batch = w->runs[0].config.batch;
    char what[40];
    (void)snprintf(what, sizeof what, "train layer %d", w->job->view->layer[0]);
    struct progress bar;
    progress_begin(&bar, what, "tokens", done * batch, all * batch);
    shuffle_seek(w->reading.order, done * batch);
    double saved = clock_seconds();
    int code = 0;
    while (code == 0 && done < all && !interrupt_requested()) {
        code = one_batch(w, done++, e);
        if (code == 0 && done < all && saving_is_due(w, done, saved)) {
            code = save_all(w, done, e);
            saved = clock_seconds();
        }
        if (code == 0)
            show_progress(w, &bar, done);
    }
    progress_end(&bar);
    return code;
}

static int finish_all(struct work *w, struct train_result *out, double seconds,
                      struct err *e)
{
    bool whole = true;
    for (size_t i = 0; i < w->job->n_specs; i++) {
        struct run *r = &w->runs[i];
        if (r->done == 0)
            return err_set(e, ERR_INTERRUPTED, "interrupted; nothing written");
        whole &= r->done >= r->config.steps;
    }
    for (size_t i = 0; i < w->job->n_specs; i++)
        TRY(run_finish(&w->runs[i], &out[i], seconds, e));
    for (size_t i = 0; i < w->job->n_specs; i++)
        TRY(run_commit(&w->runs[i], e));
    if (!whole)
        return err_set(e, ERR_INTERRUPTED,
                       "interrupted after %" PRIu64 " of %" PRIu64
                       " steps; the SAE as it was then is in %s, and --resume "
                       "goes on with it",
                       out[0].steps, out[0].config.steps,
                       w->job->specs[0].output);
    return 0;
}

/* A failure does not cost what was trained before it: says so. */
static int add_kept(const struct work *w, struct err *e)
{
    bool kept = false;
    for (size_t i = 0; i < w->opened; i++) {
        const struct run *r = &w->runs[i];
        /* Not where the run was refused, or would go the same way again. */
        kept |= r->keeps && r->output.lock_fd >= 0 && r->done > r->begun;
        if (r->diverged)
            return e->code;
    }
    if (!kept || e->code == ERR_INTERRUPTED)
        return e->code;
    const struct err cause = *e;
    return err_set(e, cause.code,
                   "%s; the checkpoint of what was trained is kept, --resume "
                   "goes on from there",
                   cause.msg);
}

int train_run(struct train_result *out, const struct train_job *job,
              struct err *e)
{
    struct work w;
    int code = open_reading(&w, job, e);
    if (code == 0)
        code = open_runs(&w, true, e);
    double begun = clock_seconds();
    if (code == 0)
        code = loop(&w, e);
    if (code == 0)
        code = finish_all(&w, out, clock_seconds() - begun, e);
    if (code != 0)
        code = add_kept(&w, e);
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
