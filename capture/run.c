/* SPDX-License-Identifier: MIT
 *
 * A wave is a row of groups. While the team computes one wave into one bank of
 * slots, one of the threads writes the wave before from the other bank.
 */
#include "capture/parts.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/progress.h"

/* Groups [first, first + n). */
struct wave {
    size_t first, n;
};

struct run {
    struct capture *c;
    struct gpt2_workspace *workspace; /* [threads] */
    float **z;                        /* [2 × wave × layers of the model] */
    struct wave now, before;          /* being computed, being written */
    int bank;                         /* of `now` */
    struct dump_writer *writer;
    uint64_t there; /* rows of each layer that the dump has already */
    struct err e;   /* of the writing */
    struct arena arena;
};

/* The z pointers of a slot, one for each layer of the model. */
static float **slot_of(const struct run *r, int bank, size_t i)
{
    size_t slot = (size_t)bank * r->c->wave + i;
    return r->z + slot * (size_t)r->c->model.gpt2.config.layers;
}

static struct gpt2_batch batch_of(const struct capture *c, size_t group)
{
    size_t first = c->packing.first[group];
    return (struct gpt2_batch){.ids = c->texts.contexts.ids,
                               .starts = c->texts.contexts.starts + first,
                               .contexts = c->packing.first[group + 1] - first};
}

static void compute(struct run *r, size_t i, int thread)
{
    if (interrupt_requested())
        return;
    struct gpt2_batch batch = batch_of(r->c, r->now.first + i);
    const struct gpt2_tap tap = {.z = slot_of(r, r->bank, i)};
    gpt2_forward(&r->c->model.gpt2, &r->workspace[thread], &batch, &tap);
}

static int write_wave(struct run *r)
{
    const struct capture_plan *p = &r->c->plan;
    size_t d = (size_t)r->c->model.gpt2.config.d_model;
    for (size_t i = 0; i < r->before.n; i++) {
        struct gpt2_batch batch = batch_of(r->c, r->before.first + i);
        uint64_t begin = (uint64_t)batch.starts[0];
        size_t rows = gpt2_batch_rows(&batch);
        size_t skip = r->there > begin ? (size_t)(r->there - begin) : 0;
        float **z = slot_of(r, !r->bank, i);
        for (int l = p->first_layer; l < p->first_layer + p->layers; l++)
            TRY(dump_writer_rows(r->writer, l, z[l] + skip * d, rows - skip,
                                 &r->e));
    }
    return 0;
}

/* The writing is item 0: taken first, it never runs alone at the end. */
static void work(void *ctx, size_t item, int thread)
{
    struct run *r = ctx;
    if (item == 0)
        (void)write_wave(r);
    else
        compute(r, item - 1, thread);
}

static int run_open(struct run *r, struct capture *c, struct err *e)
{
    *r = (struct run){.c = c};
    size_t layers = (size_t)c->model.gpt2.config.layers;
    TRY(arena_get(&r->arena, &r->workspace, (size_t)c->team->threads,
                  sizeof *r->workspace, "workspaces", e));
    for (int t = 0; t < c->team->threads; t++)
        TRY(gpt2_workspace_open(&r->workspace[t], &c->model.gpt2,
                                c->packing.rows, e));
    TRY(arena_get(&r->arena, &r->z, 2 * c->wave * layers, sizeof *r->z, "z",
                  e));
    for (size_t i = 0; i < 2 * c->wave; i++)
        for (int l = 0; l < c->plan.layers; l++)
            TRY(arena_get(&r->arena, &slot_of(r, 0, i)[c->plan.first_layer + l],
                          c->packing.rows *
                              (size_t)c->model.gpt2.config.d_model,
                          sizeof(float), "z", e));
    return 0;
}

static void run_close(struct run *r)
{
    for (int t = 0; r->workspace != NULL && t < r->c->team->threads; t++)
        gpt2_workspace_close(&r->workspace[t]);
    dump_writer_abort(&r->writer);
    arena_free(&r->arena);
}

/* The first group with rows that are not there: where a shard ends no group
 * need end, so its first rows may be. */
static size_t first_group(const struct capture *c, uint64_t there)
{
    size_t g = 0;
    while (g < c->packing.groups &&
           (uint64_t)c->texts.contexts.starts[c->packing.first[g + 1]] <= there)
        g++;
    return g;
}

/* One more wave is run than there are, which only writes. */
static int run_waves(struct run *r, struct progress *bar, struct err *e)
{
    const struct capture *c = r->c;
    for (size_t first = first_group(c, r->there);
         first < c->packing.groups || r->now.n > 0;) {
        size_t left = c->packing.groups - first;
        r->before = r->now;
        r->now = (struct wave){first, left < c->wave ? left : c->wave};
        r->bank = !r->bank;
        team_run(c->team, work, r, 1 + r->now.n);
        if (interrupt_requested())
            return err_set(e, ERR_INTERRUPTED, "interrupted");
        if (r->e.code != 0) {
            if (e != NULL)
                *e = r->e;
            return r->e.code;
        }
        first += r->now.n;
        progress_set(
            bar, (uint64_t)c->texts.contexts.starts[c->packing.first[first]],
            NULL);
    }
    return 0;
}

/* Leaves what is complete after a failure, and says so. */
static void leave(struct run *r, struct err *e)
{
    uint64_t kept = dump_writer_leave(&r->writer);
    if (e == NULL)
        return;
    struct err why = *e;
    char rows[32];
    if (kept == 0 && why.code == ERR_INTERRUPTED)
        (void)err_set(e, why.code, "%s; nothing was written", why.msg);
    if (kept == 0)
        return;
    format_count(rows, sizeof rows, (double)kept);
    (void)err_set(e, why.code,
                  "%s; %s tokens are kept, and the same command goes on behind "
                  "them",
                  why.msg, rows);
}

int capture_run(struct capture *c, bool force, double *seconds, struct err *e)
{
    struct run r;
    struct progress bar;
    double begin = clock_seconds();
    int code = run_open(&r, c, e);
    if (code == 0)
        code = capture_begin_dump(c, &r.writer, force, &r.there, e);
    if (code == 0) {
        c->plan.there = r.there;
        progress_begin(&bar, "capture", "tokens", r.there, c->plan.tokens);
        code = run_waves(&r, &bar, e);
    }
    if (code == 0)
        code = dump_writer_commit(&r.writer, e);
    if (code == 0)
        progress_end(&bar);
    else
        leave(&r, e);
    run_close(&r);
    *seconds = clock_seconds() - begin;
    return code;
}

int capture_measure(struct capture *c, double *tokens_per_second, struct err *e)
{
    struct run r;
    size_t n = (size_t)c->team->threads;
    *tokens_per_second = 0;
    int code = run_open(&r, c, e);
    if (code == 0) {
        r.now.n = n < c->wave ? n : c->wave;
        double begin = clock_seconds();
        team_run(c->team, work, &r, 1 + r.now.n);
        double seconds = clock_seconds() - begin;
        int64_t tokens = c->texts.contexts.starts[c->packing.first[r.now.n]];
        *tokens_per_second = (double)tokens / seconds;
    }
    run_close(&r);
    if (code == 0 && interrupt_requested())
        code = err_set(e, ERR_INTERRUPTED, "interrupted");
    return code;
}
