/* SPDX-License-Identifier: MIT */
#include "lens/source_tables.h"

#include <stdio.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/least.h"
#include "base/progress.h"
#include "lens/source_counts.h"
#include "lens/source_examples.h"
#include "lens/source_plan.h"
#include "lens/source_totals.h"

/* Groups between two looks at what they have found: enough of them to keep many
 * threads busy, few enough that what is found stays small. */
enum { ROUND = 64 };

/* What a thread works with. */
struct worker {
    struct gpt2_workspace workspace;
    struct sources sources;
    struct source_examples examples;
    struct source_counts counts;
    struct source_point *points;
    int32_t *ids;    /* (group rows) of the group at hand */
    int64_t *starts; /* (group contexts + 1) */
    float **z;       /* [layers] only the SAE's is wanted */
};

struct run {
    const struct gpt2 *model;
    const struct source_request *request;
    struct source_plan plan;
    struct source_totals totals;
    struct worker *workers; /* [threads] */
    struct source_found found[ROUND];
    size_t first; /* group of the round at hand */
    struct arena arena;
};

/* ---- one group ---- */

/* The group that a forward pass is about. */
struct pass {
    struct run *run;
    struct worker *worker;
    struct source_found *found;
    size_t group;
};

static void look_at_context(struct pass *pass, size_t i, const float *qkv)
{
    const struct source_plan *p = &pass->run->plan;
    struct worker *w = pass->worker;
    size_t context = p->contexts[i].context;
    int64_t first = p->starts[context];
    size_t t = (size_t)(p->starts[context + 1] - first);
    size_t n = source_plan_examples(p, w->points, i);
    if (n > 0) {
        struct source_visitor visitor =
            source_examples_visitor(&w->examples, pass->found, (uint32_t)first);
        sources_walk(&w->sources, qkv, t, w->points, n, &visitor);
    }
    n = source_plan_sample(p, w->points, i);
    if (n > 0) {
        const int32_t *ids = dump_tokens(pass->run->request->dump) + first;
        struct source_visitor visitor =
            source_counts_visitor(&w->counts, pass->found, ids, t);
        sources_walk(&w->sources, qkv, t, w->points, n, &visitor);
    }
}

static void take_qkv(void *ctx, int layer, const float *qkv)
{
    struct pass *pass = ctx;
    const struct source_plan *p = &pass->run->plan;
    size_t row = 3 * (size_t)pass->run->model->config.d_model;
    if (layer != pass->run->request->layer)
        return;
    for (size_t i = p->group[pass->group]; i < p->group[pass->group + 1]; i++) {
        size_t context = p->contexts[i].context;
        look_at_context(pass, i, qkv);
        qkv += (size_t)(p->starts[context + 1] - p->starts[context]) * row;
    }
}

/* The group's contexts as one batch; they need not be neighbours. */
static struct gpt2_batch gather(const struct run *r, struct worker *w,
                                size_t group)
{
    const struct source_plan *p = &r->plan;
    const int32_t *ids = dump_tokens(r->request->dump);
    size_t first = p->group[group], n = p->group[group + 1] - first;
    int64_t rows = 0;
    for (size_t i = 0; i < n; i++) {
        const int64_t *start = p->starts + p->contexts[first + i].context;
        memcpy(w->ids + rows, ids + start[0],
               (size_t)(start[1] - start[0]) * sizeof *ids);
        w->starts[i] = rows;
        rows += start[1] - start[0];
    }
    w->starts[n] = rows;
    return (struct gpt2_batch){w->ids, w->starts, n};
}

static void run_group(void *ctx, size_t item, int thread)
{
    struct run *r = ctx;
    struct pass pass = {r, &r->workers[thread], &r->found[item],
                        r->first + item};
    source_found_empty(pass.found);
    if (interrupt_requested())
        return;
    struct gpt2_batch batch = gather(r, pass.worker, pass.group);
    const struct gpt2_tap tap = {
        .z = pass.worker->z, .qkv = take_qkv, .ctx = &pass};
    gpt2_forward(r->model, &pass.worker->workspace, &batch, &tap);
}

/* ---- all of them ---- */

static int open_worker(struct run *r, struct worker *w, struct err *e)
{
    static const char what[] = "a batch of contexts";
    const struct gpt2_config *c = &r->model->config;
    const struct source_plan *p = &r->plan;
    struct arena *a = &r->arena;
    TRY(gpt2_workspace_open(&w->workspace, r->model, p->group_rows, e));
    TRY(sources_open(&w->sources, c, r->request->sae, p->longest, e));
    TRY(source_examples_open(&w->examples, c->heads, r->request->places->places,
                             e));
    TRY(source_counts_open(&w->counts, p->longest, e));
    TRY(arena_get(a, &w->points, p->points, sizeof *w->points, what, e));
    TRY(arena_get(a, &w->ids, p->group_rows, sizeof *w->ids, what, e));
    TRY(arena_get(a, &w->starts, p->group_contexts + 1, sizeof *w->starts, what,
                  e));
    TRY(arena_get(a, &w->z, (size_t)c->layers, sizeof *w->z, what, e));
    return arena_get(a, &w->z[r->request->layer], p->group_rows,
                     (size_t)c->d_model * sizeof(float), what, e);
}

static int run_open(struct run *r, struct err *e)
{
    int threads = r->request->team->threads;
    TRY(source_plan_make(&r->plan, r->request, e));
    TRY(source_totals_init(&r->totals, r->request, r->plan.longest, e));
    TRY(arena_get(&r->arena, &r->workers, (size_t)threads, sizeof *r->workers,
                  "workers", e));
    for (int t = 0; t < threads; t++)
        TRY(open_worker(r, &r->workers[t], e));
    return 0;
}

static void run_close(struct run *r)
{
    for (int t = 0; r->workers != NULL && t < r->request->team->threads; t++) {
        gpt2_workspace_close(&r->workers[t].workspace);
        sources_close(&r->workers[t].sources);
        source_examples_close(&r->workers[t].examples);
        source_counts_close(&r->workers[t].counts);
    }
    for (size_t i = 0; i < ROUND; i++)
        source_found_free(&r->found[i]);
    source_totals_free(&r->totals);
    source_plan_free(&r->plan);
    arena_free(&r->arena);
}

static int run_round(struct run *r, size_t n, uint64_t *tokens, struct err *e)
{
    const struct source_plan *p = &r->plan;
    team_run(r->request->team, run_group, r, n);
    if (interrupt_requested())
        return err_set(e, ERR_INTERRUPTED, "interrupted");
    for (size_t i = 0; i < n; i++)
        TRY(source_totals_add(&r->totals, &r->found[i], e));
    for (size_t i = p->group[r->first]; i < p->group[r->first + n]; i++) {
        size_t context = p->contexts[i].context;
        *tokens += (uint64_t)(p->starts[context + 1] - p->starts[context]);
    }
    return 0;
}

static int run_all(struct run *r, struct err *e)
{
    char what[128];
    struct progress bar;
    uint64_t tokens = 0;
    int code = 0;
    (void)snprintf(what, sizeof what, "sources of %.100s",
                   r->request->sae->name);
    progress_begin(&bar, what, "tokens", 0, r->plan.tokens);
    while (code == 0 && r->first < r->plan.groups) {
        size_t n = least(ROUND, r->plan.groups - r->first);
        code = run_round(r, n, &tokens, e);
        r->first += n;
        progress_set(&bar, tokens, NULL);
    }
    progress_end(&bar);
    return code;
}

static int write_sources(void *ctx, const struct source_request *request,
                         struct store_writer *w, struct err *e)
{
    struct run r = {.model = ctx, .request = request};
    int code = run_open(&r, e);
    if (code == 0)
        code = run_all(&r, e);
    if (code == 0)
        code = source_totals_write(&r.totals, w, e);
    run_close(&r);
    return code;
}

/* Products only: four of d² in attention and two of d·d_mlp in each layer
 * before, three of d² in the last one. */
static double flop_of_token(void *ctx, int layer)
{
    const struct gpt2 *g = ctx;
    double d = g->config.d_model, d_mlp = g->config.d_mlp;
    return 2 * (layer * (4 * d * d + 2 * d * d_mlp) + 3 * d * d);
}

struct encode_sources source_tables_of(struct gpt2 *model)
{
    return (struct encode_sources){model->fingerprint, model->folded,
                                   flop_of_token, write_sources, model};
}
