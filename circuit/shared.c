/* SPDX-License-Identifier: MIT */
#include "circuit/shared.h"

#include <math.h>
#include <string.h>

#include "base/least.h"
#include "base/rng.h"
#include "train/transpose.h"

/* Rows of an item of work, and numbers of one: fixed, so that sums do not
 * depend on the number of threads. */
enum { BLOCK_ROWS = 32, BLOCK_COLUMNS = 64 };

/* ---- the constraint ---- */

static void unit_rows(float *w, size_t n, size_t d)
{
    for (size_t i = 0; i < n; i++) {
        double norm = sqrt(kernels.dot_double(w + i * d, w + i * d, d));
        if (norm > 0)
            kernels.scale(w + i * d, (float)(1 / norm), d);
    }
}

/* Columns [first, end) of w (n, d) to unit length. */
static void unit_columns(float *w, size_t n, size_t d, size_t first, size_t end)
{
    double square[BLOCK_COLUMNS] = {0};
    for (size_t i = 0; i < n; i++)
        for (size_t j = first; j < end; j++)
            square[j - first] += (double)w[i * d + j] * (double)w[i * d + j];
    for (size_t j = first; j < end; j++)
        square[j - first] =
            square[j - first] > 0 ? 1 / sqrt(square[j - first]) : 1;
    for (size_t i = 0; i < n; i++)
        for (size_t j = first; j < end; j++)
            w[i * d + j] = (float)((double)w[i * d + j] * square[j - first]);
}

int shared_init(struct shared *s, size_t d, const struct shared_options *o,
                uint64_t seed, struct err *e)
{
    *s = (struct shared){.n = o->features, .d = d};
    size_t n = s->n;
    int code = arena_get(&s->arena, &s->w_enc, n * d, sizeof(float), "SAE", e);
    if (code == 0)
        code = arena_get(&s->arena, &s->w_dec, n * d, sizeof(float), "SAE", e);
    if (code == 0)
        code = arena_get(&s->arena, &s->b, d, sizeof(float), "SAE", e);
    if (code == 0)
        code = arena_get(&s->arena, &s->c, n, sizeof(float), "SAE", e);
    if (code != 0) {
        shared_free(s);
        return code;
    }
    struct rng r = rng_at(seed, RNG_INIT, 0);
    float bound = (float)(1 / sqrt((double)d));
    for (size_t i = 0; i < n * d; i++)
        s->w_enc[i] = rng_normal(&r);
    for (size_t i = 0; i < n * d; i++)
        s->w_dec[i] = rng_normal(&r);
    for (size_t i = 0; i < n; i++)
        s->c[i] = (2 * rng_float(&r) - 1) * bound;
    unit_rows(s->w_enc, n, d);
    for (size_t j = 0; j < d; j += BLOCK_COLUMNS)
        unit_columns(s->w_dec, n, d, j, least(d, j + BLOCK_COLUMNS));
    return 0;
}

void shared_free(struct shared *s)
{
    arena_free(&s->arena);
    *s = (struct shared){0};
}

/* ---- a step ---- */

/* First and second moments of a tensor. */
struct moments {
    float *m, *v;
};

struct training {
    struct shared *s;
    const struct shared_options *o;
    const float *x; /* (rows, d) */
    size_t rows, blocks;
    struct encoder encoder;
    struct forward forward;
    struct codes codes;
    struct transposed by_feature;
    float *centred;  /* (rows, d) x − b */
    float *residual; /* (rows, d) gradient of L by x̂ */
    float *df;       /* (entries) gradient by f */
    size_t df_capacity;
    float *residual_sum; /* (blocks, d) */
    double *error;       /* (blocks) Σ (x̂ − x)² */
    float *g_dec;        /* (n, d) */
    float *g_row;        /* (threads, d) */
    float *dc;           /* (n) */
    struct moments enc, dec, b, c;
    struct adam adam;
    const struct team *team;
    struct arena arena;
};

static void centre_block(void *ctx, size_t block, int thread)
{
    (void)thread;
    const struct training *t = ctx;
    size_t d = t->s->d, first = block * BLOCK_ROWS;
    for (size_t r = first; r < least(t->rows, first + BLOCK_ROWS); r++)
        kernels.subtract(t->centred + r * d, t->x + r * d, t->s->b, d);
}

/* Error of a block's rows, and the gradient of every active value. */
static void decode_block(void *ctx, size_t block, int thread)
{
    (void)thread;
    struct training *t = ctx;
    const struct codes *c = &t->codes;
    size_t d = t->s->d, first = block * BLOCK_ROWS;
    float scale = (float)(2.0 / ((double)t->rows * (double)d));
    float sparsity = (float)(t->o->lambda / (double)t->rows);
    float *sum = t->residual_sum + block * d;
    memset(sum, 0, d * sizeof *sum);
    t->error[block] = 0;
    for (size_t r = first; r < least(t->rows, first + BLOCK_ROWS); r++) {
        float *g = t->residual + r * d;
        size_t at = c->start[r], n = c->start[r + 1] - at;
        for (size_t j = 0; j < d; j++)
            g[j] = -t->centred[r * d + j];
        kernels.add_rows(g, t->s->w_dec, c->feature + at, c->value + at, n, d);
        t->error[block] += kernels.dot_double(g, g, d);
        kernels.scale(g, scale, d);
        kernels.dot_rows(t->df + at, g, t->s->w_dec, c->feature + at, n, d);
        for (size_t i = at; i < at + n; i++)
            t->df[i] += sparsity;
        kernels.add_scaled(sum, 1, g, d);
    }
}

/* A feature's gradients: its decoder's is kept for the columns, its encoder's
 * is projected and applied. */
static void update_feature(void *ctx, size_t i, int thread)
{
    struct training *t = ctx;
    const struct transposed *by = &t->by_feature;
    size_t d = t->s->d, at = by->start[i], n = by->start[i + 1] - at;
    float *w = t->s->w_enc + i * d, *g = t->g_row + (size_t)thread * d;
    float *g_dec = t->g_dec + i * d, sum = 0;
    memset(g, 0, d * sizeof *g);
    memset(g_dec, 0, d * sizeof *g_dec);
    kernels.add_rows(g, t->centred, by->row + at, by->g + at, n, d);
    kernels.add_rows(g_dec, t->residual, by->row + at, by->f + at, n, d);
    for (size_t k = at; k < at + n; k++)
        sum += by->g[k];
    t->dc[i] = sum;
    kernels.add_scaled(g, -kernels.dot(g, w, d), w, d);
    kernels.adam(&t->adam, w, t->enc.m + i * d, t->enc.v + i * d, g, 1, d);
}

/* Outputs [64 block, ...) of the decoder. */
static void update_columns(void *ctx, size_t block, int thread)
{
    (void)thread;
    struct training *t = ctx;
    size_t n = t->s->n, d = t->s->d, first = block * BLOCK_COLUMNS;
    size_t end = least(d, first + BLOCK_COLUMNS);
    double along[BLOCK_COLUMNS] = {0};
    for (size_t i = 0; i < n; i++)
        for (size_t j = first; j < end; j++)
            along[j - first] +=
                (double)t->g_dec[i * d + j] * (double)t->s->w_dec[i * d + j];
    for (size_t i = 0; i < n; i++) {
        float *g = t->g_dec + i * d, *w = t->s->w_dec + i * d;
        for (size_t j = first; j < end; j++)
            g[j] -= (float)along[j - first] * w[j];
        kernels.adam(&t->adam, w + first, t->dec.m + i * d + first,
                     t->dec.v + i * d + first, g + first, 1, end - first);
    }
    unit_columns(t->s->w_dec, n, d, first, end);
}

/* b enters x̂ and, with the other sign, x − b. `before` is W_enc of this step's
 * forward pass. */
static void update_biases(struct training *t, const float *before)
{
    size_t n = t->s->n, d = t->s->d;
    float *g = t->g_row;
    memset(g, 0, d * sizeof *g);
    for (size_t k = 0; k < t->blocks; k++)
        kernels.add_scaled(g, 1, t->residual_sum + k * d, d);
    for (size_t i = 0; i < n; i++)
        kernels.add_scaled(g, -t->dc[i], before + i * d, d);
    kernels.adam(&t->adam, t->s->b, t->b.m, t->b.v, g, 1, d);
    kernels.adam(&t->adam, t->s->c, t->c.m, t->c.v, t->dc, 1, n);
}

static int have_df(struct training *t, struct err *e)
{
    size_t entries = t->codes.start[t->rows];
    if (entries <= t->df_capacity)
        return 0;
    t->df_capacity = entries;
    return arena_get(&t->arena, &t->df, entries, sizeof *t->df, "gradients", e);
}

static int step(struct training *t, size_t number, float *before, struct err *e)
{
    static const struct selection positive = {.rule = RULE_POSITIVE};
    struct shared *s = t->s;
    t->adam = adam_at(0.9, 0.999, 1e-8, t->o->rate, (double)number);
    team_run(t->team, centre_block, t, t->blocks);
    encoder_set(&t->encoder, s->w_enc, s->c, NULL, s->n);
    encoder_pack(&t->encoder, t->team);
    TRY(forward_run(&t->forward, &t->encoder, &positive, t->centred, t->rows,
                    &t->codes, e));
    TRY(have_df(t, e));
    team_run(t->team, decode_block, t, t->blocks);
    TRY(transpose(&t->by_feature, &t->codes, t->df, NULL, s->n, t->team, e));
    memcpy(before, s->w_enc, s->n * s->d * sizeof *before);
    team_run(t->team, update_feature, t, s->n);
    update_biases(t, before);
    unit_rows(s->w_enc, s->n, s->d);
    team_run(t->team, update_columns, t,
             (s->d + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS);
    return 0;
}

static struct shared_figures figures_of(const struct training *t)
{
    double error = 0, active = 0, rows = (double)t->rows;
    for (size_t k = 0; k < t->blocks; k++)
        error += t->error[k];
    error /= rows * (double)t->s->d;
    for (size_t i = 0; i < t->codes.start[t->rows]; i++)
        active += (double)t->codes.value[i];
    return (struct shared_figures){.loss = error + t->o->lambda * active / rows,
                                   .error = error,
                                   .l0 =
                                       (double)t->codes.start[t->rows] / rows};
}

/* ---- all of it ---- */

static int get_room(struct training *t, struct err *e)
{
    size_t n = t->s->n, d = t->s->d;
    const struct {
        float **out;
        size_t n;
    } arrays[] = {
        {&t->centred, t->rows * d},
        {&t->residual, t->rows * d},
        {&t->residual_sum, t->blocks * d},
        {&t->g_dec, n * d},
        {&t->g_row, (size_t)t->team->threads * d},
        {&t->dc, n},
        {&t->enc.m, n * d},
        {&t->enc.v, n * d},
        {&t->dec.m, n * d},
        {&t->dec.v, n * d},
        {&t->b.m, d},
        {&t->b.v, d},
        {&t->c.m, n},
        {&t->c.v, n},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        TRY(arena_get(&t->arena, arrays[i].out, arrays[i].n, sizeof(float),
                      "training", e));
    TRY(arena_get(&t->arena, &t->error, t->blocks, sizeof *t->error, "training",
                  e));
    return encoder_init(&t->encoder, d, n, ENCODER_COARSE, e);
}

static int train(struct training *t, struct shared_figures *f, struct err *e)
{
    float *before;
    TRY(get_room(t, e));
    TRY(arena_get(&t->arena, &before, t->s->n * t->s->d, sizeof *before,
                  "training", e));
    for (size_t i = 1; i <= t->o->steps; i++)
        TRY(step(t, i, before, e));
    *f = figures_of(t);
    return 0;
}

int shared_train(struct shared *s, struct shared_figures *f, const float *x,
                 size_t rows, const struct shared_options *o,
                 const struct team *team, struct err *e)
{
    struct training t = {.s = s,
                         .o = o,
                         .x = x,
                         .rows = rows,
                         .blocks = (rows + BLOCK_ROWS - 1) / BLOCK_ROWS,
                         .team = team};
    TRY(forward_init(&t.forward, team, e));
    int code = train(&t, f, e);
    forward_free(&t.forward);
    encoder_free(&t.encoder);
    codes_free(&t.codes);
    transposed_free(&t.by_feature);
    arena_free(&t.arena);
    return code;
}
