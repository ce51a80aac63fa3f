/* SPDX-License-Identifier: MIT */
#include "lens/runner.h"

#include <string.h>

#include "base/interrupt.h"
#include "base/least.h"
#include "base/progress.h"

enum { SLOTS_PER_THREAD = 2 };

static int open_all(struct runner *r, struct err *e)
{
    const struct runner_contexts *c = &r->contexts;
    TRY(packing_make(&r->packing, c->starts, c->n, &r->arena, e));
    r->slots =
        least(r->packing.groups, SLOTS_PER_THREAD * (size_t)r->team->threads);
    TRY(arena_get(&r->arena, &r->workspace, (size_t)r->team->threads,
                  sizeof *r->workspace, "workspaces", e));
    for (int t = 0; t < r->team->threads; t++)
        TRY(gpt2_workspace_open(&r->workspace[t], r->model, r->packing.rows,
                                e));
    return 0;
}

int runner_open(struct runner *r, const struct gpt2 *model,
                const struct runner_contexts *contexts, const struct team *team,
                struct err *e)
{
    *r = (struct runner){.model = model, .team = team, .contexts = *contexts};
    int code = open_all(r, e);
    if (code != 0)
        runner_close(r);
    return code;
}

void runner_close(struct runner *r)
{
    for (int t = 0; r->workspace != NULL && t < r->team->threads; t++)
        gpt2_workspace_close(&r->workspace[t]);
    arena_free(&r->arena);
    *r = (struct runner){0};
}

/* ---- running ---- */

/* Groups [first, first + n), one to a slot. */
struct wave {
    struct runner *r;
    const struct runner_work *work;
    size_t first, n;
    struct err *errors; /* [slots] */
};

static struct runner_group group_of(const struct wave *w, size_t slot)
{
    const struct runner *r = w->r;
    size_t first = r->packing.first[w->first + slot];
    return (struct runner_group){
        .batch = {.ids = r->contexts.ids,
                  .starts = r->contexts.starts + first,
                  .contexts = r->packing.first[w->first + slot + 1] - first},
        .context = first,
        .slot = slot,
    };
}

static void run_slot(void *ctx, size_t slot, int thread)
{
    struct wave *w = ctx;
    if (interrupt_requested())
        return;
    struct runner_group g = group_of(w, slot);
    g.thread = thread;
    g.workspace = &w->r->workspace[thread];
    (void)w->work->run(w->work->ctx, &g, &w->errors[slot]);
}

static int run_wave(struct wave *w, struct err *e)
{
    memset(w->errors, 0, w->n * sizeof *w->errors);
    team_run(w->r->team, run_slot, w, w->n);
    if (interrupt_requested())
        return err_set(e, ERR_INTERRUPTED, "interrupted");
    for (size_t slot = 0; slot < w->n; slot++) {
        if (w->errors[slot].code != 0) {
            if (e != NULL)
                *e = w->errors[slot];
            return w->errors[slot].code;
        }
        if (w->work->after == NULL)
            continue;
        struct runner_group g = group_of(w, slot);
        TRY(w->work->after(w->work->ctx, &g, e));
    }
    return 0;
}

int runner_each(struct runner *r, const struct runner_work *work,
                const char *what, struct err *e)
{
    struct wave w = {.r = r, .work = work};
    struct arena arena = {0};
    struct progress bar;
    const int64_t *starts = r->contexts.starts;
    TRY(arena_get(&arena, &w.errors, r->slots, sizeof *w.errors, "errors", e));
    progress_begin(&bar, what, "tokens", 0,
                   (uint64_t)(starts[r->contexts.n] - starts[0]));
    int code = 0;
    for (; code == 0 && w.first < r->packing.groups; w.first += w.n) {
        w.n = least(r->slots, r->packing.groups - w.first);
        code = run_wave(&w, e);
        size_t done = r->packing.first[w.first + w.n];
        progress_set(&bar, (uint64_t)(starts[done] - starts[0]), NULL);
    }
    progress_end(&bar);
    arena_free(&arena);
    return code;
}
