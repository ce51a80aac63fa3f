/* SPDX-License-Identifier: MIT */
#include "lens/runner.h"

#include <string.h>

#include "base/interrupt.h"
#include "base/least.h"
#include "base/progress.h"

/* Tokens of a group: enough for BLAS to run at full speed; a longer context is
 * a group of its own. */
enum { GROUP_ROWS = 1024, SLOTS_PER_THREAD = 2 };

static int make_groups(struct runner *r, struct err *e)
{
    const int64_t *starts = r->contexts.starts;
    size_t n = r->contexts.n;
    TRY(arena_get(&r->arena, &r->first, n + 1, sizeof *r->first, "groups", e));
    for (size_t first = 0, end; first < n; first = end) {
        end = first + 1;
        while (end < n && starts[end + 1] - starts[first] <= GROUP_ROWS)
            end++;
        size_t rows = (size_t)(starts[end] - starts[first]);
        r->rows = rows > r->rows ? rows : r->rows;
        r->first[r->groups++] = first;
    }
    r->first[r->groups] = n;
    r->slots = least(r->groups, SLOTS_PER_THREAD * (size_t)r->team->threads);
    return 0;
}

static int open_all(struct runner *r, struct err *e)
{
    TRY(make_groups(r, e));
    TRY(arena_get(&r->arena, &r->workspace, (size_t)r->team->threads,
                  sizeof *r->workspace, "workspaces", e));
    for (int t = 0; t < r->team->threads; t++)
        TRY(gpt2_workspace_open(&r->workspace[t], r->model, r->rows, e));
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
    size_t first = r->first[w->first + slot];
    return (struct runner_group){
        .batch = {.ids = r->contexts.ids,
                  .starts = r->contexts.starts + first,
                  .contexts = r->first[w->first + slot + 1] - first},
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
    for (; code == 0 && w.first < r->groups; w.first += w.n) {
        w.n = least(r->slots, r->groups - w.first);
        code = run_wave(&w, e);
        size_t done = r->first[w.first + w.n];
        progress_set(&bar, (uint64_t)(starts[done] - starts[0]), NULL);
    }
    progress_end(&bar);
    arena_free(&arena);
    return code;
}
