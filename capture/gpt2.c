/* SPDX-License-Identifier: MIT
 *
 * Dimensions: n rows (tokens of all contexts), d = d_model, t tokens of one
 * context. Every function works on rows of one batch in one thread.
 */
#include "capture/gpt2.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include <cblas.h>

/* Queries that attend together: wide enough for BLAS, narrow enough that little
 * is computed above the causal diagonal. */
enum { QUERY_BLOCK = 32 };

/* Partial sums of a reduction: the compiler makes one vector of them, and the
 * order of the additions stays the same on every machine. */
enum { LANES = 16 };

/* ---- rows ---- */

static float sum_lanes(const float lanes[LANES])
{
    float sum = 0;
    for (int j = 0; j < LANES; j++)
        sum += lanes[j];
    return sum;
}

static float mean_of(const float *x, int d)
{
    float lanes[LANES] = {0};
    int i = 0;
    for (; i + LANES <= d; i += LANES)
        for (int j = 0; j < LANES; j++)
            lanes[j] += x[i + j];
    for (; i < d; i++)
        lanes[0] += x[i];
    return sum_lanes(lanes) / (float)d;
}

static float variance_of(const float *x, float mean, int d)
{
    float lanes[LANES] = {0};
    int i = 0;
    for (; i + LANES <= d; i += LANES)
        for (int j = 0; j < LANES; j++)
            lanes[j] += (x[i + j] - mean) * (x[i + j] - mean);
    for (; i < d; i++)
        lanes[0] += (x[i] - mean) * (x[i] - mean);
    return sum_lanes(lanes) / (float)d;
}

/* out (n, d) = the rows of x, normalised, scaled and shifted. */
static void normalise(const struct gpt2 *g, float *restrict out,
                      const float *restrict x, const struct layer_norm *ln,
                      size_t n)
{
    int d = g->config.d_model;
    for (size_t row = 0; row < n; row++, x += d, out += d) {
        float mean = mean_of(x, d);
        float scale = 1 / sqrtf(variance_of(x, mean, d) + g->config.epsilon);
        for (int i = 0; i < d; i++)
            out[i] = (x[i] - mean) * scale * ln->weight[i] + ln->bias[i];
    }
}

/* out (n, l->out) += in (n, l->in) · weight + bias */
static void linear_add(float *out, const float *in, const struct linear *l,
                       size_t n)
{
    for (size_t row = 0; row < n; row++)
        for (int i = 0; i < l->out; i++)
            out[row * (size_t)l->out + (size_t)i] += l->bias[i];
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)n, l->out,
                l->in, 1, in, l->in, l->weight, l->out, 1, out, l->out);
}

/* out (n, l->out) = in (n, l->in) · weight + bias */
static void linear_set(float *out, const float *in, const struct linear *l,
                       size_t n)
{
    for (size_t row = 0; row < n; row++)
        memcpy(out + row * (size_t)l->out, l->bias,
               (size_t)l->out * sizeof *out);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)n, l->out,
                l->in, 1, in, l->in, l->weight, l->out, 1, out, l->out);
}

/* ---- attention ---- */

/* Pattern of queries [first, first + n) of one head of one context: out (n,
 * first + n). `qkv` is the context's first row at the head's query; keys lie d
 * further, values 2 d. */
static void attend_to(const struct gpt2_config *c, float *out, const float *qkv,
                      int first, int n)
{
    int d = c->d_model, stride = 3 * d, keys = first + n;
    float scale = 1 / sqrtf((float)c->d_head);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, keys, c->d_head,
                scale, qkv + (size_t)first * (size_t)stride, stride, qkv + d,
                stride, 0, out, keys);
    for (int i = 0; i < n; i++) {
        float *row = out + (size_t)i * (size_t)keys;
        int visible = first + i + 1;
        pointwise_softmax(row, (size_t)visible);
        memset(row + visible, 0, (size_t)(keys - visible) * sizeof *row);
    }
}

static void attend_block(const struct gpt2_config *c, float *z,
                         const float *qkv, float *scores, int first, int n)
{
    int d = c->d_model, stride = 3 * d, keys = first + n;
    attend_to(c, scores, qkv, first, n);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, c->d_head, keys,
                1, scores, keys, qkv + 2 * d, stride, 0,
                z + (size_t)first * (size_t)d, d);
}

void gpt2_pattern(const struct gpt2_config *c, float *out, const float *qkv,
                  int head, int t)
{
    attend_to(c, out, qkv + (size_t)head * (size_t)c->d_head, 0, t);
}

void gpt2_pattern_row(const struct gpt2_config *c, float *out, const float *qkv,
                      int head, int destination)
{
    attend_to(c, out, qkv + (size_t)head * (size_t)c->d_head, destination, 1);
}

/* z (n, d) from qkv (n, 3 d), context by context and head by head. */
static void attend(const struct gpt2_config *c, float *z, const float *qkv,
                   float *scores, const struct gpt2_batch *b)
{
    size_t d = (size_t)c->d_model;
    for (size_t k = 0; k < b->contexts; k++) {
        size_t row = (size_t)(b->starts[k] - b->starts[0]);
        int t = (int)(b->starts[k + 1] - b->starts[k]);
        for (int h = 0; h < c->heads; h++) {
            size_t at = (size_t)h * (size_t)c->d_head;
            for (int first = 0; first < t; first += QUERY_BLOCK) {
                int n = t - first < QUERY_BLOCK ? t - first : QUERY_BLOCK;
                attend_block(c, z + row * d + at, qkv + row * 3 * d + at,
                             scores, first, n);
            }
        }
    }
}

/* ---- the model ---- */

size_t gpt2_batch_rows(const struct gpt2_batch *b)
{
    return (size_t)(b->starts[b->contexts] - b->starts[0]);
}

void gpt2_embed(const struct gpt2 *g, struct gpt2_workspace *w,
                const struct gpt2_batch *b)
{
    size_t d = (size_t)g->config.d_model;
    float *x = w->x;
    for (size_t k = 0; k < b->contexts; k++)
        for (int64_t t = b->starts[k]; t < b->starts[k + 1]; t++, x += d) {
            const float *token = g->wte + (size_t)b->ids[t] * d;
            const float *position = g->wpe + (size_t)(t - b->starts[k]) * d;
            for (size_t i = 0; i < d; i++)
                x[i] = token[i] + position[i];
        }
}

static void run_attention(const struct gpt2 *g, struct gpt2_workspace *w,
                          const struct gpt2_batch *b,
                          const struct gpt2_tap *tap, int l, float *z)
{
    const struct gpt2_layer *layer = &g->layer[l];
    size_t n = gpt2_batch_rows(b);
    normalise(g, w->normed, w->x, &layer->ln_1, n);
    linear_set(w->wide, w->normed, &layer->c_attn, n);
    if (tap->qkv != NULL)
        tap->qkv(tap->ctx, l, w->wide);
    attend(&g->config, z, w->wide, w->scores, b);
    if (tap->edit != NULL)
        tap->edit(tap->ctx, l, z);
}

static void run_mlp(const struct gpt2 *g, struct gpt2_workspace *w,
                    const struct gpt2_layer *layer, size_t n)
{
    normalise(g, w->normed, w->x, &layer->ln_2, n);
    linear_set(w->wide, w->normed, &layer->c_fc, n);
    pointwise_activate(g->config.activation, w->wide,
                       n * (size_t)g->config.d_mlp);
    linear_add(w->x, w->wide, &layer->mlp_proj, n);
}

static float *wanted_z(const struct gpt2_tap *tap, int layer)
{
    return tap->z != NULL ? tap->z[layer] : NULL;
}

static void show_residual(const struct gpt2_tap *tap, int stage, const float *x)
{
    if (tap->residual != NULL)
        tap->residual(tap->ctx, stage, x);
}

/* As far as the layer's z, which is returned. */
static float *begin_layer(const struct gpt2 *g, struct gpt2_workspace *w,
                          const struct gpt2_batch *batch,
                          const struct gpt2_tap *tap, int l)
{
    float *z = wanted_z(tap, l) != NULL ? wanted_z(tap, l) : w->z;
    run_attention(g, w, batch, tap, l, z);
    return z;
}

void gpt2_layers(const struct gpt2 *g, struct gpt2_workspace *w,
                 const struct gpt2_batch *batch, const struct gpt2_tap *tap,
                 int first, int end)
{
    size_t n = gpt2_batch_rows(batch);
    for (int l = first; l < end; l++) {
        const struct gpt2_layer *layer = &g->layer[l];
        if (tap->stop != NULL && tap->stop(tap->ctx))
            return;
        linear_add(w->x, begin_layer(g, w, batch, tap, l), &layer->attn_proj,
                   n);
        show_residual(tap, 2 * l + 1, w->x);
        run_mlp(g, w, layer, n);
        show_residual(tap, 2 * l + 2, w->x);
    }
}

void gpt2_forward(const struct gpt2 *g, struct gpt2_workspace *w,
                  const struct gpt2_batch *batch, const struct gpt2_tap *tap)
{
    int layers = g->config.layers;
    assert(gpt2_batch_rows(batch) <= w->rows);
    while (!tap->to_end && layers > 0 && wanted_z(tap, layers - 1) == NULL)
        layers--;
    gpt2_embed(g, w, batch);
    show_residual(tap, 0, w->x);
    if (tap->to_end) {
        gpt2_layers(g, w, batch, tap, 0, layers);
    } else if (layers > 0) {
        gpt2_layers(g, w, batch, tap, 0, layers - 1);
        (void)begin_layer(g, w, batch, tap, layers - 1);
    }
}

void gpt2_logits(const struct gpt2 *g, struct gpt2_workspace *w, float *logits,
                 const float *x, size_t n)
{
    int d = g->config.d_model, vocab = g->config.vocab;
    normalise(g, w->normed, x, &g->ln_f, n);
    if (n == 1) /* sgemm would copy all of the head */
        cblas_sgemv(CblasRowMajor, CblasNoTrans, vocab, d, 1, g->head, d,
                    w->normed, 1, 0, logits, 1);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, vocab, d,
                    1, w->normed, d, g->head, d, 0, logits, vocab);
}

/* ---- workspace ---- */

static size_t wide_of(const struct gpt2_config *c)
{
    return (size_t)(3 * c->d_model > c->d_mlp ? 3 * c->d_model : c->d_mlp);
}

size_t gpt2_workspace_bytes(const struct gpt2 *g, size_t rows)
{
    const struct gpt2_config *c = &g->config;
    return sizeof(float) * (rows * (3 * (size_t)c->d_model + wide_of(c)) +
                            QUERY_BLOCK * (size_t)c->positions);
}

int gpt2_workspace_open(struct gpt2_workspace *w, const struct gpt2 *g,
                        size_t rows, struct err *e)
{
    const struct gpt2_config *c = &g->config;
    size_t row = (size_t)c->d_model * sizeof(float);
    const struct {
        float **out;
        size_t count, size;
    } parts[] = {
        {&w->x, rows, row},
        {&w->normed, rows, row},
        {&w->z, rows, row},
        {&w->wide, rows, wide_of(c) * sizeof(float)},
        {&w->scores, QUERY_BLOCK, (size_t)c->positions * sizeof(float)},
    };
    *w = (struct gpt2_workspace){.rows = rows};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (arena_get(&w->arena, parts[i].out, parts[i].count, parts[i].size,
                      "a model workspace", e) != 0) {
            gpt2_workspace_close(w);
            return e == NULL ? ERR_MEMORY : e->code;
        }
    return 0;
}

void gpt2_workspace_close(struct gpt2_workspace *w)
{
    arena_free(&w->arena);
    *w = (struct gpt2_workspace){0};
}
