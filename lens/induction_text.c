/* SPDX-License-Identifier: MIT */
#include "lens/induction_text.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/least.h"
#include "base/rng.h"

/* Pairs kept of a head and context, so that one context does not give all. */
enum { OF_CONTEXT = 4 };

static const float least_attention = 0.3F;

struct measuring {
    const struct induction_text_job *job;
    struct induction_text *x;
    size_t heads, longest;
    struct induction_pair *found; /* (n, all heads, OF_CONTEXT) */
    uint8_t *count;               /* (n, all heads) */
    struct thread *thread;        /* [threads] */
    atomic_bool stopped;
    struct arena arena;
};

struct thread {
    struct measuring *q;
    struct gpt2_workspace workspace;
    float *pattern;               /* (longest) */
    int32_t *ids;                 /* (longest) */
    struct induction_pair *match; /* [matches] of the context's tokens */
    size_t matches, context;
    const struct induction_pair *wanted; /* whose attention is measured anew */
    float attention;
};

static bool wants_end(struct measuring *q)
{
    const struct prompt_stop *stop = q->job->stop;
    if (stop->wanted != NULL && stop->wanted(stop->ctx))
        atomic_store(&q->stopped, true);
    return atomic_load(&q->stopped);
}

/* ---- finding pairs ---- */

static size_t length_of(const struct measuring *q, size_t context)
{
    return (size_t)(q->job->starts[context + 1] - q->job->starts[context]);
}

/* The latest source of each destination: that is where a head would look. */
static void find_matches(struct thread *t)
{
    const int32_t *ids = t->q->job->ids + t->q->job->starts[t->context];
    size_t n = length_of(t->q, t->context);
    t->matches = 0;
    for (size_t dst = 4; dst < n; dst++)
        for (size_t src = dst - 1; src >= 3; src--)
            if (ids[src - 1] == ids[dst] && ids[src - 2] == ids[dst - 1]) {
                t->match[t->matches++] = (struct induction_pair){
                    .src = (uint32_t)src, .dst = (uint32_t)dst};
                break;
            }
}

static void look_at_matches(void *ctx, int layer, const float *qkv)
{
    struct thread *t = ctx;
    struct measuring *q = t->q;
    for (size_t h = 0; h < q->heads; h++) {
        size_t head = (size_t)layer * q->heads + h;
        size_t at = t->context * q->x->heads + head;
        for (size_t i = 0; i < t->matches && q->count[at] < OF_CONTEXT; i++) {
            struct induction_pair p = t->match[i];
            gpt2_pattern_row(&q->job->model->config, t->pattern, qkv, (int)h,
                             (int)p.dst);
            p.attention = t->pattern[p.src];
            p.context = t->context;
            p.head = head;
            if (p.attention > least_attention)
                q->found[at * OF_CONTEXT + q->count[at]++] = p;
        }
    }
}

static bool stop_finding(void *ctx)
{
    return wants_end(((struct thread *)ctx)->q);
}

static void find_in_context(void *ctx, size_t item, int thread)
{
    struct measuring *q = ctx;
    struct thread *t = &q->thread[thread];
    const int64_t starts[] = {0, (int64_t)length_of(q, item)};
    const struct gpt2_batch batch = {q->job->ids + q->job->starts[item], starts,
                                     1};
    const struct gpt2_tap tap = {
        .to_end = true, .qkv = look_at_matches, .stop = stop_finding, .ctx = t};
    t->context = item;
    find_matches(t);
    if (t->matches > 0)
        gpt2_forward(q->job->model, &t->workspace, &batch, &tap);
}

/* The first of each head, by head. */
static int choose(struct measuring *q, struct err *e)
{
    size_t heads = q->x->heads;
    TRY(arena_get(&q->x->arena, &q->x->pair, heads * q->job->most,
                  sizeof *q->x->pair, "pairs", e));
    for (size_t h = 0; h < heads; h++)
        for (size_t c = 0; c < q->job->n && q->x->pairs[h] < q->job->most;
             c++) {
            size_t at = c * heads + h;
            size_t n = least(q->count[at], q->job->most - q->x->pairs[h]);
            memcpy(q->x->pair + q->x->n_pairs, q->found + at * OF_CONTEXT,
                   n * sizeof *q->x->pair);
            q->x->n_pairs += n;
            q->x->pairs[h] += n;
        }
    return 0;
}

/* ---- once more, with another token ---- */

static void measure_again(void *ctx, int layer, const float *qkv)
{
    struct thread *t = ctx;
    int heads = (int)t->q->heads, head = (int)t->wanted->head;
    if (layer != head / heads)
        return;
    gpt2_pattern_row(&t->q->job->model->config, t->pattern, qkv, head % heads,
                     (int)t->wanted->dst);
    t->attention = t->pattern[t->wanted->src];
    t->wanted = NULL;
}

/* What is behind the pair's layer does not matter. */
static bool stop_again(void *ctx)
{
    struct thread *t = ctx;
    return t->wanted == NULL || wants_end(t->q);
}

static int32_t draw_other(const struct induction_text_job *job, size_t item,
                          int32_t not_this)
{
    struct rng r =
        rng_at(job->seed, RNG_INDUCTION, UINT32_MAX - (uint32_t)item);
    int32_t id;
    do
        id = (int32_t)rng_below(&r, job->vocab);
    while (id == not_this || id == job->bos || id == job->eos);
    return id;
}

static void replace_one(void *ctx, size_t item, int thread)
{
    struct measuring *q = ctx;
    struct thread *t = &q->thread[thread];
    struct induction_pair *p = &q->x->pair[item];
    const int64_t starts[] = {0, (int64_t)p->dst + 1};
    const struct gpt2_batch batch = {t->ids, starts, 1};
    const struct gpt2_tap tap = {
        .to_end = true, .qkv = measure_again, .stop = stop_again, .ctx = t};
    memcpy(t->ids, q->job->ids + q->job->starts[p->context],
           (p->dst + 1) * sizeof *t->ids);
    p->token = draw_other(q->job, item, t->ids[p->src - 2]);
    t->ids[p->src - 2] = p->token;
    t->wanted = p;
    gpt2_forward(q->job->model, &t->workspace, &batch, &tap);
    p->replaced = t->attention;
}

/* ---- all of it ---- */

static int get_room(struct measuring *q, struct err *e)
{
    static const char what[] = "induction in text";
    struct arena *a = &q->arena;
    struct induction_text *x = q->x;
    size_t threads = (size_t)q->job->team->threads, all = q->job->n * x->heads;
    TRY(arena_get(&x->arena, &x->pairs, x->heads, sizeof *x->pairs, what, e));
    TRY(arena_get(&x->arena, &x->attention, x->heads, sizeof(double), what, e));
    TRY(arena_get(&x->arena, &x->replaced, x->heads, sizeof(double), what, e));
    TRY(arena_get(a, &q->count, all, sizeof *q->count, what, e));
    TRY(arena_get(a, &q->found, all, OF_CONTEXT * sizeof *q->found, what, e));
    TRY(arena_get(a, &q->thread, threads, sizeof *q->thread, what, e));
    for (size_t i = 0; i < threads; i++) {
        struct thread *t = &q->thread[i];
        t->q = q;
        TRY(arena_get(a, &t->pattern, q->longest, sizeof(float), what, e));
        TRY(arena_get(a, &t->ids, q->longest, sizeof *t->ids, what, e));
        TRY(arena_get(a, &t->match, q->longest, sizeof *t->match, what, e));
        TRY(gpt2_workspace_open(&t->workspace, q->job->model, q->longest, e));
    }
    return 0;
}

static void average(struct measuring *q)
{
    struct induction_text *x = q->x;
    for (size_t i = 0; i < x->n_pairs; i++) {
        x->attention[x->pair[i].head] += (double)x->pair[i].attention;
        x->replaced[x->pair[i].head] += (double)x->pair[i].replaced;
    }
    for (size_t h = 0; h < x->heads; h++) {
        x->attention[h] /= (double)x->pairs[h];
        x->replaced[h] /= (double)x->pairs[h];
    }
}

static int measure(struct measuring *q, struct err *e)
{
    for (size_t c = 0; c < q->job->n; c++)
        q->longest =
            length_of(q, c) > q->longest ? length_of(q, c) : q->longest;
    TRY(get_room(q, e));
    team_run(q->job->team, find_in_context, q, q->job->n);
    if (!atomic_load(&q->stopped)) {
        TRY(choose(q, e));
        team_run(q->job->team, replace_one, q, q->x->n_pairs);
    }
    if (atomic_load(&q->stopped))
        return err_set(e, ERR_INTERRUPTED, "interrupted");
    average(q);
    return 0;
}

int induction_text_measure(struct induction_text *x,
                           const struct induction_text_job *job, struct err *e)
{
    const struct gpt2_config *c = &job->model->config;
    *x = (struct induction_text){.heads = (size_t)c->layers * (size_t)c->heads};
    struct measuring q = {.job = job, .x = x, .heads = (size_t)c->heads};
    int code = measure(&q, e);
    for (int t = 0; q.thread != NULL && t < job->team->threads; t++)
        gpt2_workspace_close(&q.thread[t].workspace);
    arena_free(&q.arena);
    if (code != 0)
        induction_text_free(x);
    return code;
}

void induction_text_free(struct induction_text *x)
{
    arena_free(&x->arena);
    *x = (struct induction_text){0};
}
