/* SPDX-License-Identifier: MIT */
#include "lens/induction.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/least.h"
#include "base/rng.h"
#include "lens/readout.h"

/* Sequences that go through the model together. */
enum { TOGETHER = 4 };

/* ---- sequences ---- */

static bool is_among(int32_t id, const int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

size_t induction_draw(int32_t *ids, const struct induction_job *job, size_t p,
                      size_t number)
{
    struct rng r = rng_at(job->seed, RNG_INDUCTION,
                          (uint32_t)(number * job->longest + p - 1));
    ids[0] = job->bos;
    for (size_t i = 1; i <= job->tokens - p;) {
        int32_t id = (int32_t)rng_below(&r, job->vocab);
        if (id != job->bos && id != job->eos && !is_among(id, ids + 1, i - 1))
            ids[i++] = id;
    }
    /* The first copy, x, and then the second. */
    size_t first = 1 + rng_below(&r, job->tokens - 2 * p);
    memcpy(ids + job->tokens + 1 - p, ids + first, p * sizeof *ids);
    return first + p;
}

int induction_check(const struct induction_job *job, struct err *e)
{
    size_t positions = (size_t)job->model->config.positions;
    if (job->count == 0 || job->longest == 0)
        return err_set(e, ERR_INPUT, "induction needs a sequence and a prefix");
    if (job->tokens >= positions)
        return err_set(e, ERR_INPUT,
                       "sequences of %zu tokens behind BOS, but the model has "
                       "only %zu positions",
                       job->tokens, positions);
    if (job->longest > (job->tokens - 1) / 2)
        return err_set(e, ERR_INPUT,
                       "a prefix of %zu tokens and its copy do not fit into "
                       "%zu tokens",
                       job->longest, job->tokens);
    if (job->vocab < 2 * job->tokens)
        return err_set(e, ERR_INPUT,
                       "the model has %zu tokens, too few to draw %zu without "
                       "repeats",
                       job->vocab, job->tokens);
    return 0;
}

/* ---- a group of sequences ---- */

struct measuring {
    const struct induction_job *job;
    struct induction *x;
    size_t heads, d, d_head, length; /* heads of a layer */
    double *mean;                    /* (d) of W_U over the vocabulary */
    float *attention, *logit;        /* (sequences, all heads) */
    struct thread *thread;           /* [threads] */
    atomic_bool stopped;
    struct arena arena;
};

struct thread {
    struct measuring *q;
    struct gpt2_workspace workspace;
    int32_t *ids;              /* (TOGETHER, length) */
    float *z;                  /* (TOGETHER, layers, d) of the last token */
    float *pattern;            /* (length) */
    double *n, *u, *along;     /* (d) */
    size_t first, count;       /* sequences at work */
    size_t followed[TOGETHER]; /* position of x */
};

static void keep_attention(void *ctx, int layer, const float *qkv)
{
    struct thread *t = ctx;
    const struct measuring *q = t->q;
    for (size_t s = 0; s < t->count; s++) {
        float *out = q->attention + (t->first + s) * q->x->heads +
                     (size_t)layer * q->heads;
        for (size_t h = 0; h < q->heads; h++) {
            gpt2_pattern_row(&q->job->model->config, t->pattern,
                             qkv + s * q->length * 3 * q->d, (int)h,
                             (int)q->length - 1);
            out[h] = t->pattern[t->followed[s]];
        }
    }
}

static void keep_z(void *ctx, int layer, float *z)
{
    struct thread *t = ctx;
    const struct measuring *q = t->q;
    size_t layers = (size_t)q->job->model->config.layers;
    for (size_t s = 0; s < t->count; s++)
        memcpy(t->z + (s * layers + (size_t)layer) * q->d,
               z + ((s + 1) * q->length - 1) * q->d, q->d * sizeof *z);
}

static bool ask_stop(void *ctx)
{
    struct measuring *q = ((struct thread *)ctx)->q;
    const struct prompt_stop *stop = q->job->stop;
    if (stop->wanted != NULL && stop->wanted(stop->ctx))
        atomic_store(&q->stopped, true);
    return atomic_load(&q->stopped);
}

/* What each head of sequence s adds to the logit of x, over the mean. */
static void attribute(struct thread *t, size_t s)
{
    const struct measuring *q = t->q;
    const struct gpt2 *g = q->job->model;
    size_t d = q->d, layers = (size_t)g->config.layers;
    const float *r = t->workspace.x + ((s + 1) * q->length - 1) * d;
    size_t x = (size_t)t->ids[s * q->length + t->followed[s]];
    double bias;
    for (size_t i = 0; i < d; i++)
        t->n[i] = (double)g->head[x * d + i] - q->mean[i];
    readout_through_norm(t->u, &bias, t->n, r, &g->ln_f, &g->config);
    for (size_t l = 0; l < layers; l++) {
        const float *z = t->z + (s * layers + l) * d;
        float *out = q->logit + (t->first + s) * q->x->heads + l * q->heads;
        for (size_t i = 0; i < d; i++)
            t->along[i] =
                readout_dot(g->layer[l].attn_proj.weight + i * d, t->u, d);
        for (size_t h = 0; h < q->heads; h++)
            out[h] = (float)readout_dot(z + h * q->d_head,
                                        t->along + h * q->d_head, q->d_head);
    }
}

static void run_group(void *ctx, size_t item, int thread)
{
    struct measuring *q = ctx;
    struct thread *t = &q->thread[thread];
    size_t all = q->job->count * q->job->longest;
    int64_t starts[TOGETHER + 1] = {0};
    t->first = item * TOGETHER;
    t->count = least(TOGETHER, all - t->first);
    for (size_t s = 0; s < t->count; s++) {
        size_t of_length = t->first + s;
        t->followed[s] = induction_draw(t->ids + s * q->length, q->job,
                                        1 + of_length / q->job->count,
                                        of_length % q->job->count);
        starts[s + 1] = (int64_t)((s + 1) * q->length);
    }
    const struct gpt2_batch batch = {t->ids, starts, t->count};
    const struct gpt2_tap tap = {.to_end = true,
                                 .qkv = keep_attention,
                                 .edit = keep_z,
                                 .stop = ask_stop,
                                 .ctx = t};
    gpt2_forward(q->job->model, &t->workspace, &batch, &tap);
    for (size_t s = 0; s < t->count && !atomic_load(&q->stopped); s++)
        attribute(t, s);
}

/* ---- all of it ---- */

static int get_thread(struct thread *t, struct measuring *q, struct err *e)
{
    static const char what[] = "induction";
    size_t layers = (size_t)q->job->model->config.layers;
    struct arena *a = &q->arena;
    t->q = q;
    TRY(arena_get(a, &t->ids, TOGETHER * q->length, sizeof *t->ids, what, e));
    TRY(arena_get(a, &t->z, TOGETHER * layers * q->d, sizeof *t->z, what, e));
    TRY(arena_get(a, &t->pattern, q->length, sizeof *t->pattern, what, e));
    TRY(arena_get(a, &t->n, q->d, sizeof *t->n, what, e));
    TRY(arena_get(a, &t->u, q->d, sizeof *t->u, what, e));
    TRY(arena_get(a, &t->along, q->d, sizeof *t->along, what, e));
    return gpt2_workspace_open(&t->workspace, q->job->model,
                               TOGETHER * q->length, e);
}

static int get_room(struct measuring *q, struct err *e)
{
    static const char what[] = "induction";
    struct induction *x = q->x;
    size_t all = q->job->count * q->job->longest;
    double **const results[] = {&x->attention, &x->attention_error, &x->logit,
                                &x->logit_error};
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        TRY(arena_get(&x->arena, results[i], x->heads,
                      x->longest * sizeof(double), what, e));
    TRY(arena_get(&q->arena, &q->mean, q->d, sizeof *q->mean, what, e));
    TRY(arena_get(&q->arena, &q->attention, all, x->heads * sizeof(float), what,
                  e));
    TRY(arena_get(&q->arena, &q->logit, all, x->heads * sizeof(float), what,
                  e));
    TRY(arena_get(&q->arena, &q->thread, (size_t)q->job->team->threads,
                  sizeof *q->thread, what, e));
    for (int t = 0; t < q->job->team->threads; t++)
        TRY(get_thread(&q->thread[t], q, e));
    return 0;
}

static void find_mean(struct measuring *q)
{
    const struct gpt2 *g = q->job->model;
    for (int v = 0; v < g->config.vocab; v++)
        for (size_t i = 0; i < q->d; i++)
            q->mean[i] +=
                (double)g->head[(size_t)v * q->d + i] / (double)g->config.vocab;
}

/* Mean and standard error of `count` numbers that lie `stride` apart. */
static void summarise(double *mean, double *error, const float *x, size_t count,
                      size_t stride)
{
    double n = (double)count, sum = 0, square = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)x[i * stride];
    for (size_t i = 0; i < count; i++) {
        double off = (double)x[i * stride] - sum / n;
        square += off * off;
    }
    *mean = sum / n;
    *error = count > 1 ? sqrt(square / (n - 1) / n) : (double)NAN;
}

static int measure(struct measuring *q, struct err *e)
{
    struct induction *x = q->x;
    size_t count = q->job->count, all = count * x->longest;
    TRY(induction_check(q->job, e));
    TRY(get_room(q, e));
    find_mean(q);
    team_run(q->job->team, run_group, q, (all + TOGETHER - 1) / TOGETHER);
    if (atomic_load(&q->stopped))
        return err_set(e, ERR_INTERRUPTED, "interrupted");
    for (size_t h = 0; h < x->heads; h++)
        for (size_t p = 0; p < x->longest; p++) {
            size_t at = p * count * x->heads + h, to = h * x->longest + p;
            summarise(&x->attention[to], &x->attention_error[to],
                      q->attention + at, count, x->heads);
            summarise(&x->logit[to], &x->logit_error[to], q->logit + at, count,
                      x->heads);
        }
    return 0;
}

int induction_measure(struct induction *x, const struct induction_job *job,
                      struct err *e)
{
    const struct gpt2_config *c = &job->model->config;
    *x = (struct induction){.heads = (size_t)c->layers * (size_t)c->heads,
                            .longest = job->longest};
    struct measuring q = {.job = job,
                          .x = x,
                          .heads = (size_t)c->heads,
                          .d = (size_t)c->d_model,
                          .d_head = (size_t)c->d_head,
                          .length = job->tokens + 1};
    int code = measure(&q, e);
    for (int t = 0; q.thread != NULL && t < job->team->threads; t++)
        gpt2_workspace_close(&q.thread[t].workspace);
    arena_free(&q.arena);
    if (code != 0)
        induction_free(x);
    return code;
}

void induction_free(struct induction *x)
{
    arena_free(&x->arena);
    *x = (struct induction){0};
}
