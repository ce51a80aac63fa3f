/* SPDX-License-Identifier: MIT */
#include "lens/effects.h"

#include <math.h>
#include <string.h>

#include "base/least.h"
#include "lens/predictions.h"

struct measuring {
    struct effects *x;
    const struct effects_job *job;
    const struct prompts *base,
        *other; /* which is run, which is patched from */
    struct runner runner;
    struct predictions *predictions; /* [threads] */
    float **rows;                    /* [threads] (rows, d_model) */
    float **patch;                   /* [threads × layers] (rows, d_model) */
    bool *patched;                   /* [layers] */
    struct arena arena;
};

/* ---- the metric ---- */

/* One prompt's wanted tokens. */
struct wanted {
    const int32_t *answer, *wrong;
    size_t answers, wrongs;
};

static struct wanted wanted_of(const struct prompts *p, size_t i)
{
    const int64_t *a = p->answers.start + i, *w = p->wrong.start + i;
    return (struct wanted){p->answers.ids + a[0], p->wrong.ids + w[0],
                           (size_t)(a[1] - a[0]), (size_t)(w[1] - w[0])};
}

static double mean_logit(const float *logits, const int32_t *ids, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)logits[ids[i]];
    return sum / (double)n;
}

static double most_logit(const float *logits, const int32_t *ids, size_t n)
{
    double most = -INFINITY;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, (double)logits[ids[i]]);
    return most;
}

static double mass(const float *logits, double log_sum, const int32_t *ids,
                   size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)logits[ids[i]] - log_sum);
    return sum;
}

static double metric_of(enum effect_metric metric, const float *logits,
                        size_t vocab, const struct wanted *w)
{
    if (metric == EFFECT_LOGIT_DIFF)
        return mean_logit(logits, w->answer, w->answers) -
               most_logit(logits, w->wrong, w->wrongs);
    if (metric == EFFECT_LOGIT_MEAN_DIFF)
        return mean_logit(logits, w->answer, w->answers) -
               mean_logit(logits, w->wrong, w->wrongs);
    double log_sum = predictions_log_sum(logits, vocab);
    double right = mass(logits, log_sum, w->answer, w->answers);
    if (metric == EFFECT_MASS)
        return right;
    if (metric == EFFECT_ANSWER_LOSS)
        return -log(right);
    return right - mass(logits, log_sum, w->wrong, w->wrongs);
}

/* Mean loss of each prompt of the group. */
static void measure_losses(struct measuring *q, const struct runner_group *g,
                           double *out)
{
    const int64_t *starts = g->batch.starts;
    size_t d = (size_t)q->job->model->config.d_model;
    for (size_t k = 0; k < g->batch.contexts; k++) {
        struct runner_group one = *g;
        one.batch.starts = starts + k;
        one.batch.contexts = 1;
        const float *x = g->workspace->x + (size_t)(starts[k] - starts[0]) * d;
        out[g->context + k] =
            predictions_loss(&q->predictions[g->thread], &one, x) /
            (double)(starts[k + 1] - starts[k] - 1);
    }
}

static void measure_answers(struct measuring *q, const struct runner_group *g,
                            double *out)
{
    const struct gpt2 *model = q->job->model;
    const struct prompts *p = q->job->prompts;
    const int64_t *starts = g->batch.starts;
    struct predictions *room = &q->predictions[g->thread];
    float *rows = q->rows[g->thread];
    size_t d = (size_t)model->config.d_model, n = g->batch.contexts, some;
    size_t vocab = (size_t)model->config.vocab;
    for (size_t k = 0; k < n; k++) {
        int64_t row = starts[k] - starts[0] + p->position[g->context + k];
        memcpy(rows + k * d, g->workspace->x + (size_t)row * d,
               d * sizeof *rows);
    }
    for (size_t first = 0; first < n; first += some) {
        some = least(PREDICTIONS_ROWS, n - first);
        gpt2_logits(model, g->workspace, room->logits, rows + first * d, some);
        for (size_t k = 0; k < some; k++) {
            size_t prompt = g->context + first + k;
            struct wanted w = wanted_of(p, prompt);
            out[prompt] =
                metric_of(q->job->metric, room->logits + k * vocab, vocab, &w);
        }
    }
}

/* What stands in the workspace after a pass, as the prompts' metric. */
static void measure(struct measuring *q, const struct runner_group *g,
                    double *out)
{
    if (q->job->metric == EFFECT_LOSS)
        measure_losses(q, g, out);
    else
        measure_answers(q, g, out);
}

/* ---- one group ---- */

static float *const *patch_of(const struct measuring *q, int thread)
{
    return q->patch + thread * q->job->model->config.layers;
}

/* The partners' run: their metric, and the z that edits patch from. */
static void run_other(struct measuring *q, const struct runner_group *g)
{
    struct runner_group other = *g;
    other.batch.ids = q->other->tokens.ids;
    other.batch.starts = q->other->tokens.start + g->context;
    const struct gpt2_tap tap = {.z = patch_of(q, g->thread), .to_end = true};
    gpt2_forward(q->job->model, g->workspace, &other.batch, &tap);
    measure(q, &other, q->job->restore ? q->x->clean : q->x->corrupted);
}

static int run_set(struct measuring *q, const struct runner_group *g,
                   const struct effects_set *set, double *out, struct err *e)
{
    struct edits edits = {.from = &q->job->sources,
                          .edit = q->job->edit + set->first,
                          .n = set->n,
                          .group = g,
                          .patch = patch_of(q, g->thread)};
    const struct gpt2_tap tap = {
        .to_end = true, .edit = edits_apply, .ctx = &edits};
    gpt2_forward(q->job->model, g->workspace, &g->batch, &tap);
    measure(q, g, out);
    if (edits.e.code != 0 && e != NULL)
        *e = edits.e;
    return edits.e.code;
}

static int run_group(void *ctx, const struct runner_group *g, struct err *e)
{
    struct measuring *q = ctx;
    const struct gpt2_tap tap = {.to_end = true};
    if (q->other != NULL)
        run_other(q, g);
    gpt2_forward(q->job->model, g->workspace, &g->batch, &tap);
    measure(q, g, q->job->restore ? q->x->corrupted : q->x->clean);
    for (size_t s = 0; s < q->job->n_sets; s++)
        TRY(run_set(q, g, &q->job->set[s], q->x->edited + s * q->x->n, e));
    return 0;
}

/* ---- checks ---- */

static int check_prompt(const struct effects_job *job, size_t i, struct err *e)
{
    struct wanted w = wanted_of(job->prompts, i);
    const int64_t *starts = job->prompts->tokens.start;
    if (job->metric == EFFECT_LOSS && starts[i + 1] - starts[i] < 2)
        return err_set(e, ERR_INPUT,
                       "prompt %zu is a single token, which predicts nothing",
                       i + 1);
    if (job->metric != EFFECT_LOSS && w.answers == 0)
        return err_set(e, ERR_INPUT, "prompt %zu has no answer tokens", i + 1);
    if (job->metric <= EFFECT_MASS_DIFF && w.wrongs == 0)
        return err_set(e, ERR_INPUT, "prompt %zu has no wrong tokens", i + 1);
    return 0;
}

static int check_partners(const struct effects_job *job, struct err *e)
{
    const struct prompts *a = job->prompts, *b = job->corrupted;
    if (b == NULL)
        return 0;
    if (a->n != b->n)
        return err_set(e, ERR_INPUT,
                       "%zu prompts, but %zu corrupted ones: each line needs "
                       "its partner",
                       a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        const int64_t *x = a->tokens.start + i, *y = b->tokens.start + i;
        if (x[1] - x[0] != y[1] - y[0])
            return err_set(e, ERR_INPUT,
                           "prompt %zu has %lld tokens, its corrupted partner "
                           "%lld; they must have as many",
                           i + 1, (long long)(x[1] - x[0]),
                           (long long)(y[1] - y[0]));
    }
    return 0;
}

static int check_edits(struct measuring *q, struct err *e)
{
    const struct effects_job *job = q->job;
    for (size_t s = 0; s < job->n_sets; s++)
        for (size_t i = 0; i < job->set[s].n; i++) {
            const struct edit *edit = &job->edit[job->set[s].first + i];
            TRY(edits_check(edit, &job->sources, e));
            if (edit->kind != EDIT_PATCH)
                continue;
            if (job->corrupted == NULL)
                return err_set(e, ERR_INPUT,
                               "patching needs corrupted prompts");
            q->patched[edit->layer] = true;
        }
    return 0;
}

/* What the model itself gives; an edit may well take it out of bounds. */
static int check_finite(const struct measuring *q, struct err *e)
{
    const struct effects *x = q->x;
    for (size_t i = 0; i < x->n; i++)
        if (!isfinite(x->clean[i]) ||
            (x->corrupted != NULL && !isfinite(x->corrupted[i])))
            return err_set(e, ERR_INPUT,
                           "prompt %zu: the model gives no finite metric",
                           i + 1);
    return 0;
}

/* ---- all of it ---- */

static int get_rooms(struct measuring *q, struct err *e)
{
    const struct runner *r = &q->runner;
    size_t threads = (size_t)r->team->threads;
    size_t layers = (size_t)r->model->config.layers;
    size_t row = (size_t)r->model->config.d_model * sizeof(float);
    TRY(arena_get(&q->arena, &q->predictions, threads, sizeof *q->predictions,
                  "logits", e));
    TRY(arena_get(&q->arena, &q->rows, threads, sizeof *q->rows, "rows", e));
    TRY(arena_get(&q->arena, &q->patch, threads * layers, sizeof *q->patch,
                  "rows", e));
    for (size_t t = 0; t < threads; t++) {
        TRY(predictions_init(&q->predictions[t], r->model, &q->arena, e));
        TRY(arena_get(&q->arena, &q->rows[t], r->packing.rows, row, "rows", e));
        for (size_t l = 0; l < layers; l++)
            if (q->patched[l])
                TRY(arena_get(&q->arena, &q->patch[t * layers + l],
                              r->packing.rows, row, "z", e));
    }
    return 0;
}

static int get_results(struct effects *x, const struct effects_job *job,
                       struct err *e)
{
    x->n = job->prompts->n;
    TRY(arena_get(&x->arena, &x->clean, x->n, sizeof *x->clean, "effects", e));
    if (job->corrupted != NULL)
        TRY(arena_get(&x->arena, &x->corrupted, x->n, sizeof *x->corrupted,
                      "effects", e));
    return arena_get(&x->arena, &x->edited, job->n_sets * x->n,
                     sizeof *x->edited, "effects", e);
}

static int measure_all(struct measuring *q, struct err *e)
{
    const struct effects_job *job = q->job;
    for (size_t i = 0; i < job->prompts->n; i++)
        TRY(check_prompt(job, i, e));
    TRY(check_partners(job, e));
    TRY(arena_get(&q->arena, &q->patched, (size_t)job->model->config.layers,
                  sizeof *q->patched, "layers", e));
    TRY(check_edits(q, e));
    const struct runner_contexts contexts = {q->base->tokens.ids,
                                             q->base->tokens.start, q->base->n};
    TRY(runner_open(&q->runner, job->model, &contexts, job->team, e));
    TRY(get_rooms(q, e));
    TRY(get_results(q->x, job, e));
    const struct runner_work work = {run_group, NULL, q};
    TRY(runner_each(&q->runner, &work, "effects", e));
    return check_finite(q, e);
}

int effects_measure(struct effects *x, const struct effects_job *job,
                    struct err *e)
{
    *x = (struct effects){0};
    struct measuring q = {.x = x,
                          .job = job,
                          .base = job->restore ? job->corrupted : job->prompts,
                          .other =
                              job->restore ? job->prompts : job->corrupted};
    int code = measure_all(&q, e);
    runner_close(&q.runner);
    arena_free(&q.arena);
    if (code != 0)
        effects_free(x);
    return code;
}

void effects_free(struct effects *x)
{
    arena_free(&x->arena);
    *x = (struct effects){0};
}

double effects_mean(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum / (double)n;
}

struct effect effects_change(const double *value, const double *base, size_t n)
{
    double sum = 0, square = 0;
    for (size_t i = 0; i < n; i++)
        sum += value[i] - base[i];
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        double off = value[i] - base[i] - mean;
        square += off * off;
    }
    double error =
        n > 1 ? sqrt(square / (double)(n - 1) / (double)n) : (double)NAN;
    return (struct effect){mean, error};
}
