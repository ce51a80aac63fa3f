/* SPDX-License-Identifier: MIT */
#include "lens/attribution.h"

#include <math.h>
#include <string.h>

/* One pass, of which the row at the position is kept. */
struct finding {
    struct attribution *a;
    const struct attribution_job *job;
    size_t d;
    double *stage; /* (2 layers + 1, d) the residual stream there */
    float *z;      /* (layers, d) of the row */
    double *u;     /* (d) what a unit of the stream adds to the logit */
    double *p;     /* (d) the same of a unit of a layer's z */
    struct gpt2_workspace workspace;
    struct arena arena;
};

static void keep_stage(void *ctx, int stage, const float *x)
{
    struct finding *q = ctx;
    const float *row = x + q->job->position * q->d;
    for (size_t i = 0; i < q->d; i++)
        q->stage[(size_t)stage * q->d + i] = (double)row[i];
}

static void keep_z(void *ctx, int layer, float *z)
{
    struct finding *q = ctx;
    memcpy(q->z + (size_t)layer * q->d, z + q->job->position * q->d,
           q->d * sizeof *z);
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static double dot_float(const float *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

/* ---- the direction of the logit ---- */

/* w_i of W_U[token] − W_U[minus]. */
static double unembedding(const struct finding *q, size_t i)
{
    const float *head = q->job->model->head;
    double w = (double)head[(size_t)q->job->token * q->d + i];
    if (q->job->minus >= 0)
        w -= (double)head[(size_t)q->job->minus * q->d + i];
    return w;
}

/* u, the logit itself, and what the LayerNorm's bias adds. */
static void find_direction(struct finding *q)
{
    const struct gpt2 *g = q->job->model;
    const double *r = q->stage + 2 * (size_t)q->a->layers * q->d;
    double n = (double)q->d, mean = 0, variance = 0, mean_u = 0;
    for (size_t i = 0; i < q->d; i++)
        mean += r[i] / n;
    for (size_t i = 0; i < q->d; i++)
        variance += (r[i] - mean) * (r[i] - mean) / n;
    double sigma = sqrt(variance + (double)g->config.epsilon);
    for (size_t i = 0; i < q->d; i++) {
        double w = unembedding(q, i);
        q->u[i] = (double)g->ln_f.weight[i] * w / sigma;
        mean_u += q->u[i] / n;
        q->a->norm_bias += (double)g->ln_f.bias[i] * w;
        q->a->logit += ((r[i] - mean) * (double)g->ln_f.weight[i] / sigma +
                        (double)g->ln_f.bias[i]) *
                       w;
    }
    for (size_t i = 0; i < q->d; i++)
        q->u[i] -= mean_u;
}

/* ---- parts ---- */

/* What heads, features and the bias of a layer add. */
static int add_layer(struct finding *q, int l, struct err *e)
{
    struct attribution *a = q->a;
    const struct linear *w_o = &q->job->model->layer[l].attn_proj;
    size_t heads = (size_t)a->heads, d_head = q->d / heads;
    const float *z = q->z + (size_t)l * q->d;
    for (size_t i = 0; i < q->d; i++)
        q->p[i] = dot_float(w_o->weight + i * q->d, q->u, q->d);
    double whole = 0;
    for (size_t h = 0; h < heads; h++) {
        double part = dot_float(z + h * d_head, q->p + h * d_head, d_head);
        a->head[(size_t)l * heads + h] = part;
        whole += part;
    }
    a->bias[l] = dot_float(w_o->bias, q->u, q->d);
    if (q->job->saes == NULL || !saes_has(q->job->saes, l))
        return 0;
    const struct sae *sae = &q->job->saes->sae[l];
    const struct codes *c;
    struct attribution_feature *more;
    TRY(saes_encode(q->job->saes, l, 0, z, 1, &c, e));
    size_t n = c->start[1], before = a->n_features;
    TRY(arena_get(&a->arena, &more, before + n, sizeof *more, "features", e));
    if (before > 0)
        memcpy(more, a->feature, before * sizeof *more);
    a->feature = more;
    a->b_dec[l] = dot_float(sae->b_dec, q->p, q->d);
    a->error[l] = whole - a->b_dec[l];
    for (size_t i = 0; i < n; i++) {
        uint32_t f = c->feature[i];
        double part =
            (double)c->value[i] * dot_float(sae->w_dec + f * q->d, q->p, q->d);
        a->error[l] -= part;
        a->feature[a->n_features++] =
            (struct attribution_feature){l, f, c->value[i], part};
    }
    return 0;
}

static void add_rest(struct finding *q)
{
    struct attribution *a = q->a;
    const struct gpt2 *g = q->job->model;
    int32_t id = q->job->ids[q->job->position];
    a->token = dot_float(g->wte + (size_t)id * q->d, q->u, q->d);
    a->position = dot_float(g->wpe + q->job->position * q->d, q->u, q->d);
    a->sum = a->token + a->position + a->norm_bias;
    for (int l = 0; l < a->layers; l++) {
        const double *x = q->stage + (size_t)(2 * l + 1) * q->d;
        a->mlp[l] = dot(x + q->d, q->u, q->d) - dot(x, q->u, q->d);
        a->sum += a->mlp[l] + a->bias[l];
        for (int h = 0; h < a->heads; h++)
            a->sum += a->head[l * a->heads + h];
    }
}

/* ---- all of it ---- */

static int get_room(struct finding *q, struct err *e)
{
    struct attribution *a = q->a;
    size_t layers = (size_t)a->layers;
    const struct {
        double **out;
        size_t n;
    } arrays[] = {
        {&a->head, layers * (size_t)a->heads},
        {&a->bias, layers},
        {&a->mlp, layers},
        {&a->b_dec, layers},
        {&a->error, layers},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        TRY(arena_get(&a->arena, arrays[i].out, arrays[i].n, sizeof(double),
                      "attributions", e));
    TRY(arena_get(&q->arena, &q->stage, (2 * layers + 1) * q->d,
                  sizeof *q->stage, "residual stream", e));
    TRY(arena_get(&q->arena, &q->z, layers * q->d, sizeof *q->z, "z", e));
    TRY(arena_get(&q->arena, &q->u, q->d, sizeof *q->u, "direction", e));
    TRY(arena_get(&q->arena, &q->p, q->d, sizeof *q->p, "direction", e));
    return gpt2_workspace_open(&q->workspace, q->job->model, q->job->n, e);
}

static int find_all(struct finding *q, struct err *e)
{
    const int64_t starts[] = {0, (int64_t)q->job->n};
    const struct gpt2_batch batch = {q->job->ids, starts, 1};
    const struct gpt2_tap tap = {
        .to_end = true, .edit = keep_z, .residual = keep_stage, .ctx = q};
    TRY(get_room(q, e));
    gpt2_forward(q->job->model, &q->workspace, &batch, &tap);
    find_direction(q);
    for (int l = 0; l < q->a->layers; l++)
        TRY(add_layer(q, l, e));
    add_rest(q);
    return 0;
}

int attribution_find(struct attribution *a, const struct attribution_job *job,
                     struct err *e)
{
    const struct gpt2_config *c = &job->model->config;
    *a = (struct attribution){.layers = c->layers, .heads = c->heads};
    struct finding q = {.a = a, .job = job, .d = (size_t)c->d_model};
    int code = find_all(&q, e);
    gpt2_workspace_close(&q.workspace);
    arena_free(&q.arena);
    if (code != 0)
        attribution_free(a);
    return code;
}

void attribution_free(struct attribution *a)
{
    arena_free(&a->arena);
    *a = (struct attribution){0};
}
