/* SPDX-License-Identifier: MIT */
#include "lens/means.h"

#include <assert.h>

/* ---- sums ---- */

struct summing {
    struct means *m;
    const struct means_reference *from;
    struct runner runner;
    float **z;           /* [slots × layers] (rows, d) */
    float *act;          /* (slots, rows, n_features) */
    double *sum;         /* (places, layers, d) */
    double *feature_sum; /* (places, n_features) */
    struct arena arena;
};

static float *const *slot_z(const struct summing *s, size_t slot)
{
    return s->z + slot * (size_t)s->m->layers;
}

static float *slot_act(const struct summing *s, size_t slot)
{
    return s->act + slot * s->runner.packing.rows * s->m->n_features;
}

/* The wanted features' activations in one layer, dense. */
static int find_features(const struct summing *s, const struct runner_group *g,
                         int layer, struct err *e)
{
    const struct means *m = s->m;
    const struct codes *c;
    size_t n = gpt2_batch_rows(&g->batch);
    float *act = slot_act(s, g->slot);
    TRY(saes_encode(s->from->saes, layer, g->thread, slot_z(s, g->slot)[layer],
                    n, &c, e));
    for (size_t j = 0; j < m->n_features; j++) {
        if (m->feature[j].layer != layer)
            continue;
        for (size_t r = 0; r < n; r++)
            act[r * m->n_features + j] =
                codes_value(c, r, m->feature[j].feature);
    }
    return 0;
}

static bool wants_layer(const struct means *m, int layer)
{
    for (size_t j = 0; j < m->n_features; j++)
        if (m->feature[j].layer == layer)
            return true;
    return false;
}

static int run_group(void *ctx, const struct runner_group *g, struct err *e)
{
    struct summing *s = ctx;
    const struct gpt2_tap tap = {.z = slot_z(s, g->slot)};
    gpt2_forward(s->runner.model, g->workspace, &g->batch, &tap);
    for (int l = 0; l < s->m->layers; l++)
        if (wants_layer(s->m, l))
            TRY(find_features(s, g, l, e));
    return 0;
}

static void add_row(struct summing *s, const struct runner_group *g, size_t row,
                    size_t place)
{
    struct means *m = s->m;
    m->count[place]++;
    for (int l = 0; l < m->layers; l++) {
        const float *z = slot_z(s, g->slot)[l] + row * m->d;
        double *sum = s->sum + (place * (size_t)m->layers + (size_t)l) * m->d;
        for (size_t i = 0; i < m->d; i++)
            sum[i] += (double)z[i];
    }
    const float *act = slot_act(s, g->slot) + row * m->n_features;
    for (size_t j = 0; j < m->n_features; j++)
        s->feature_sum[place * m->n_features + j] += (double)act[j];
}

static int add_group(void *ctx, const struct runner_group *g, struct err *e)
{
    (void)e;
    struct summing *s = ctx;
    const int64_t *starts = g->batch.starts;
    for (size_t k = 0; k < g->batch.contexts; k++)
        for (int64_t t = starts[k]; t < starts[k + 1]; t++) {
            size_t place = 0;
            if (s->m->by_layout)
                place =
                    (size_t)s->from->layout[g->context + k] * s->m->positions +
                    (size_t)(t - starts[k]);
            add_row(s, g, (size_t)(t - starts[0]), place);
        }
    return 0;
}

/* ---- all of it ---- */

static void divide(struct means *m, const struct summing *s)
{
    size_t width = (size_t)m->layers * m->d;
    for (size_t p = 0; p < m->places; p++) {
        double n = m->count[p] > 0 ? (double)m->count[p] : 1;
        for (size_t i = 0; i < width; i++)
            m->z[p * width + i] = (float)(s->sum[p * width + i] / n);
        for (size_t j = 0; j < m->n_features; j++)
            m->feature_mean[p * m->n_features + j] =
                (float)(s->feature_sum[p * m->n_features + j] / n);
    }
}

static int get_room(struct summing *s, struct err *e)
{
    struct means *m = s->m;
    size_t layers = (size_t)m->layers, row = m->d * sizeof(float);
    TRY(arena_get(&m->arena, &m->z, m->places, layers * row, "means", e));
    TRY(arena_get(&m->arena, &m->count, m->places, sizeof *m->count, "means",
                  e));
    TRY(arena_get(&m->arena, &m->feature_mean, m->places * m->n_features,
                  sizeof *m->feature_mean, "means", e));
    TRY(arena_get(&s->arena, &s->sum, m->places, 2 * layers * row, "means", e));
    TRY(arena_get(&s->arena, &s->feature_sum, m->places * m->n_features,
                  sizeof *s->feature_sum, "means", e));
    TRY(arena_get(&s->arena, &s->act,
                  s->runner.slots * s->runner.packing.rows * m->n_features,
                  sizeof *s->act, "means", e));
    TRY(arena_get(&s->arena, &s->z, s->runner.slots * layers, sizeof *s->z, "z",
                  e));
    for (size_t i = 0; i < s->runner.slots * layers; i++)
        TRY(arena_get(&s->arena, &s->z[i], s->runner.packing.rows, row, "z",
                      e));
    return 0;
}

static int run_all(struct summing *s, const struct gpt2 *model,
                   const struct team *team, struct err *e)
{
    TRY(runner_open(&s->runner, model, &s->from->contexts, team, e));
    TRY(get_room(s, e));
    const struct runner_work work = {run_group, add_group, s};
    TRY(runner_each(&s->runner, &work, "means", e));
    divide(s->m, s);
    return 0;
}

int means_open(struct means *m, const struct gpt2 *model,
               const struct means_reference *from, const struct team *team,
               struct err *e)
{
    const struct runner_contexts *c = &from->contexts;
    *m = (struct means){.layers = model->config.layers,
                        .d = (size_t)model->config.d_model,
                        .positions = 1,
                        .places = 1,
                        .feature = from->feature,
                        .n_features = from->n_features,
                        .by_layout = from->layout != NULL};
    for (size_t k = 0; m->by_layout && k < c->n; k++) {
        size_t t = (size_t)(c->starts[k + 1] - c->starts[k]);
        m->positions = t > m->positions ? t : m->positions;
    }
    if (m->by_layout)
        m->places = from->layouts * m->positions;
    struct summing s = {.m = m, .from = from};
    int code = run_all(&s, model, team, e);
    runner_close(&s.runner);
    arena_free(&s.arena);
    if (code != 0)
        means_close(m);
    return code;
}

void means_close(struct means *m)
{
    arena_free(&m->arena);
    *m = (struct means){0};
}

size_t means_place(const struct means *m, int32_t layout, size_t position)
{
    if (!m->by_layout)
        return 0;
    size_t place = (size_t)layout * m->positions + position;
    bool there = layout >= 0 && position < m->positions && place < m->places &&
                 m->count[place] > 0;
    return there ? place : SIZE_MAX;
}

const float *means_z(const struct means *m, size_t place, int layer)
{
    return m->z + (place * (size_t)m->layers + (size_t)layer) * m->d;
}

float means_of_feature(const struct means *m, size_t place, int layer,
                       uint32_t feature)
{
    size_t j = 0;
    while (j < m->n_features &&
           (m->feature[j].layer != layer || m->feature[j].feature != feature))
        j++;
    assert(j < m->n_features);
    return m->feature_mean[place * m->n_features + j];
}
