/* SPDX-License-Identifier: MIT */
#include "bench/dense.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The cut is found by counting the upper and then the lower half of the bits
 * of all positive h, which are ordered as their values. */
enum { BINS = 1 << 16, CHUNK = 64 /* rows or features of an item of work */ };

static size_t ceil_div(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

int dense_init(struct dense *t, struct parameters *p, const struct team *team,
               size_t n, struct err *e)
{
    *t = (struct dense){.p = p, .team = team, .n = n};
    struct arena *a = &t->arena;
    size_t d = p->d, m = p->m, threads = (size_t)team->threads;
    const struct {
        float **out;
        size_t count;
    } floats[] = {
        {&t->centred, n * d}, {&t->residual, n * d}, {&t->left, n * d},
        {&t->h, n * m},       {&t->a, n * m},        {&t->dh, n * m},
        {&t->g_enc, m * d},   {&t->g_dec, m * d},    {&t->g_b_enc, m},
        {&t->g_bias, d},
    };
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++)
        TRY(arena_get(a, floats[i].out, floats[i].count, sizeof(float),
                      "dense matrices", e));
    TRY(arena_get(a, &t->bins, threads * BINS, sizeof *t->bins, "bins", e));
    TRY(arena_get(a, &t->dead, m, sizeof *t->dead, "AuxK", e));
    TRY(arena_get(a, &t->row_loss, n, sizeof(double), "sums", e));
    return arena_get(a, &t->norm, ceil_div(m, CHUNK), sizeof(double), "sums",
                     e);
}

void dense_free(struct dense *t)
{
    arena_free(&t->arena);
    *t = (struct dense){0};
}

/* ---- products ---- */

/* c (rows, columns) = a · b + beta · c, either transposed as said. */
static void product(const struct dense *t, float *c, const float *a,
                    enum CBLAS_TRANSPOSE turn_a, const float *b,
                    enum CBLAS_TRANSPOSE turn_b, const size_t shape[3],
                    float beta)
{
    int rows = (int)shape[0], columns = (int)shape[1], inner = (int)shape[2];
    openblas_set_num_threads(t->team->threads);
    cblas_sgemm(CblasRowMajor, turn_a, turn_b, rows, columns, inner, 1, a,
                turn_a == CblasTrans ? rows : inner, b,
                turn_b == CblasTrans ? inner : columns, beta, c, columns);
    openblas_set_num_threads(1);
}

/* x (n, d) · w (m, d)ᵀ onto what is in h (n, m). */
static void to_features(const struct dense *t, float *h, const float *x,
                        const float *w, float beta)
{
    product(t, h, x, CblasNoTrans, w, CblasTrans,
            (size_t[]){t->n, t->p->m, t->p->d}, beta);
}

/* f (n, m) · w (m, d) */
static void to_inputs(const struct dense *t, float *out, const float *f,
                      const float *w)
{
    product(t, out, f, CblasNoTrans, w, CblasNoTrans,
            (size_t[]){t->n, t->p->d, t->p->m}, 0);
}

/* f (n, m)ᵀ · x (n, d), the gradient of a matrix. */
static void to_gradient(const struct dense *t, float *g, const float *f,
                        const float *x, float beta)
{
    product(t, g, f, CblasTrans, x, CblasNoTrans,
            (size_t[]){t->p->m, t->p->d, t->n}, beta);
}

/* ---- loops over rows ---- */

struct rows {
    struct dense *t;
    const float *x;
    const struct step_plan *plan;
    float cut;
    uint32_t prefix; /* upper half of the cut's bits, once known */
    bool lower;
    float weight; /* of AuxK */
    size_t k_aux;
};

static void prepare_row(struct rows *j, size_t r)
{
    struct dense *t = j->t;
    size_t d = t->p->d, m = t->p->m;
    kernels.subtract(t->centred + r * d, j->x + r * d, t->p->b_dec.w, d);
    memcpy(t->h + r * m, t->p->b_enc.w, m * sizeof(float));
}

static void count_row(struct rows *j, size_t r, int thread)
{
    const struct dense *t = j->t;
    uint32_t *bins = t->bins + (size_t)thread * BINS;
    const float *h = t->h + r * t->p->m;
    for (size_t i = 0; i < t->p->m; i++) {
        uint32_t bits;
        memcpy(&bits, &h[i], sizeof bits);
        if (!(h[i] > 0))
            continue;
        if (!j->lower)
            bins[bits >> 16]++;
        else if (bits >> 16 == j->prefix)
            bins[bits & 0xffff]++;
    }
}

/* The k_aux largest positive h of a row among the dead. */
static bool dead_row(struct rows *j, size_t r)
{
    struct dense *t = j->t;
    size_t m = t->p->m, n = 0;
    struct hit *hit = malloc((t->n_dead + 1) * sizeof *hit);
    if (hit == NULL)
        return false;
    float *a = t->a + r * m;
    memset(a, 0, m * sizeof *a);
    for (size_t i = 0; i < t->n_dead; i++) {
        float h = t->h[r * m + t->dead[i]];
        if (h > 0)
            hit[n++] = (struct hit){h, (uint32_t)r, t->dead[i]};
    }
    if (n > j->k_aux)
        hits_select(hit, n, j->k_aux);
    for (size_t i = 0; i < n && i < j->k_aux; i++)
        a[hit[i].feature] = hit[i].value;
    free(hit);
    return true;
}

static void mask_row(struct rows *j, size_t r)
{
    float *h = j->t->h + r * j->t->p->m;
    for (size_t i = 0; i < j->t->p->m; i++)
        h[i] = h[i] >= j->cut ? h[i] : 0;
}

/* residual holds Σ f·W_dec. */
static void error_row(struct rows *j, size_t r)
{
    struct dense *t = j->t;
    size_t d = t->p->d;
    float *e = t->residual + r * d;
    kernels.subtract(e, e, t->centred + r * d, d);
    t->row_loss[r] = kernels.dot_double(e, e, d);
    kernels.scale(e, 2.0f / (float)t->n, d);
}

static void mask_gradient_row(struct rows *j, size_t r)
{
    struct dense *t = j->t;
    size_t m = t->p->m;
    for (size_t i = r * m; i < (r + 1) * m; i++)
        t->dh[i] = t->h[i] > 0 ? t->dh[i] : 0;
}

/* left holds Σ a·W_dec; with −r = residual·n/2 it becomes G_aux. */
static void left_row(struct rows *j, size_t r)
{
    struct dense *t = j->t;
    size_t d = t->p->d;
    float *out = t->left + r * d;
    kernels.add_scaled(out, (float)t->n / 2, t->residual + r * d, d);
    kernels.scale(out, j->weight, d);
}

/* h holds G_aux·W_decᵀ by now. */
static void add_aux_gradient_row(struct rows *j, size_t r)
{
    struct dense *t = j->t;
    size_t m = t->p->m;
    for (size_t i = r * m; i < (r + 1) * m; i++)
        t->dh[i] += t->a[i] > 0 ? t->h[i] : 0;
}

enum row_work {
    WORK_PREPARE,
    WORK_COUNT,
    WORK_DEAD,
    WORK_MASK,
    WORK_ERROR,
    WORK_MASK_GRADIENT,
    WORK_LEFT,
    WORK_ADD_AUX,
};

struct loop {
    struct rows *rows;
    enum row_work work;
};

static void run_rows(void *ctx, size_t item, int thread)
{
    struct loop *l = ctx;
    struct rows *j = l->rows;
    size_t end = (item + 1) * CHUNK < j->t->n ? (item + 1) * CHUNK : j->t->n;
    for (size_t r = item * CHUNK; r < end; r++)
        switch (l->work) {
        case WORK_PREPARE:
            prepare_row(j, r);
            break;
        case WORK_COUNT:
            count_row(j, r, thread);
            break;
        case WORK_DEAD:
            if (!dead_row(j, r))
                j->k_aux = SIZE_MAX; /* no memory; dense_step looks for it */
            break;
        case WORK_MASK:
            mask_row(j, r);
            break;
        case WORK_ERROR:
            error_row(j, r);
            break;
        case WORK_MASK_GRADIENT:
            mask_gradient_row(j, r);
            break;
        case WORK_LEFT:
            left_row(j, r);
            break;
        case WORK_ADD_AUX:
            add_aux_gradient_row(j, r);
            break;
        }
}

static void over_rows(struct rows *j, enum row_work work)
{
    struct loop l = {j, work};
    team_run(j->t->team, run_rows, &l, ceil_div(j->t->n, CHUNK));
}

/* ---- the cut ---- */

/* Bin of the want-th largest, and how many are still wanted in it. */
static uint32_t find_bin(const struct dense *t, size_t *want)
{
    for (uint32_t bin = BINS; bin-- > 0;) {
        size_t count = 0;
        for (int thread = 0; thread < t->team->threads; thread++)
            count += t->bins[(size_t)thread * BINS + bin];
        if (count >= *want)
            return bin;
        *want -= count;
    }
    return 0;
}

static void clear_bins(struct dense *t)
{
    memset(t->bins, 0, (size_t)t->team->threads * BINS * sizeof *t->bins);
}

static float find_cut(struct rows *j)
{
    size_t want = j->t->n * j->plan->k;
    j->lower = false;
    clear_bins(j->t);
    over_rows(j, WORK_COUNT);
    j->prefix = find_bin(j->t, &want);
    j->lower = true;
    clear_bins(j->t);
    over_rows(j, WORK_COUNT);
    uint32_t bits = j->prefix << 16 | find_bin(j->t, &want);
    float cut;
    memcpy(&cut, &bits, sizeof cut);
    return cut > 0 ? cut : 0x1p-149f;
}

/* ---- AuxK ---- */

static void find_dead(struct dense *t, const struct step_plan *plan,
                      const uint64_t *silent)
{
    t->n_dead = 0;
    for (size_t i = 0; plan->aux > 0 && i < t->p->m; i++)
        if (silent[i] >= plan->dead_tokens)
            t->dead[t->n_dead++] = (uint32_t)i;
}

/* 2·α·d / Σ‖r − mean r‖² of all rows. */
static float aux_weight(const struct dense *t, double alpha)
{
    size_t d = t->p->d;
    double square = 0, mean_square = 0, scale = (double)t->n / 2;
    for (size_t r = 0; r < t->n; r++)
        square += t->row_loss[r];
    for (size_t j = 0; j < d; j++) {
        double sum = 0;
        for (size_t r = 0; r < t->n; r++)
            sum += scale * (double)t->residual[r * d + j];
        mean_square += sum * sum;
    }
    double variance = square - mean_square / (double)t->n;
    return (float)(2 * alpha * (double)d / variance);
}

/* ---- update ---- */

struct update {
    struct dense *t;
    struct adam adam;
    float clip;
};

static void update_feature(const struct update *u, size_t i, double *norm)
{
    struct dense *t = u->t;
    struct parameters *p = t->p;
    size_t d = p->d, at = i * d;
    float *dec = t->g_dec + at, *enc = t->g_enc + at, *w_dec = p->w_dec.w + at;
    kernels.add_scaled(dec, -kernels.dot(dec, w_dec, d), w_dec, d);
    *norm += kernels.dot_double(dec, dec, d) + kernels.dot_double(enc, enc, d) +
             (double)t->g_b_enc[i] * (double)t->g_b_enc[i];
    kernels.adam(&u->adam, p->w_enc.w + at, p->w_enc.m + at, p->w_enc.v + at,
                 enc, u->clip, d);
    kernels.adam(&u->adam, w_dec, p->w_dec.m + at, p->w_dec.v + at, dec,
                 u->clip, d);
    kernels.adam(&u->adam, p->b_enc.w + i, p->b_enc.m + i, p->b_enc.v + i,
                 &t->g_b_enc[i], u->clip, 1);
    double length = sqrt(kernels.dot_double(w_dec, w_dec, d));
    if (length > 0)
        kernels.scale(w_dec, (float)(1 / length), d);
}

static void update_chunk(void *ctx, size_t chunk, int thread)
{
    (void)thread;
    const struct update *u = ctx;
    size_t m = u->t->p->m;
    size_t end = (chunk + 1) * CHUNK < m ? (chunk + 1) * CHUNK : m;
    u->t->norm[chunk] = 0;
    for (size_t i = chunk * CHUNK; i < end; i++)
        update_feature(u, i, &u->t->norm[chunk]);
}

/* ∂L/∂b_enc as column sums of dh, a stretch of columns an item. */
static void bias_chunk(void *ctx, size_t chunk, int thread)
{
    (void)thread;
    struct dense *t = ctx;
    size_t m = t->p->m, first = chunk * CHUNK;
    size_t count = m - first < CHUNK ? m - first : CHUNK;
    memset(t->g_b_enc + first, 0, count * sizeof(float));
    for (size_t r = 0; r < t->n; r++)
        kernels.add_scaled(t->g_b_enc + first, 1, t->dh + r * m + first, count);
}

static void update(struct dense *t, const struct step_plan *plan)
{
    struct parameters *p = t->p;
    size_t d = p->d, m = p->m, chunks = ceil_div(m, CHUNK);
    double limit = sqrt((double)d);
    team_run(t->team, bias_chunk, t, chunks);
    memset(t->g_bias, 0, d * sizeof(float));
    for (size_t r = 0; r < t->n; r++)
        kernels.add_scaled(t->g_bias, 1, t->residual + r * d, d);
    for (size_t i = 0; i < m; i++)
        kernels.add_scaled(t->g_bias, -t->g_b_enc[i], p->w_enc.w + i * d, d);
    struct update u = {
        .t = t,
        .adam = adam_at(0.9, 0.999, 1e-8, plan->rate, (double)plan->t),
        .clip = t->last_norm > limit ? (float)(limit / t->last_norm) : 1,
    };
    team_run(t->team, update_chunk, &u, chunks);
    double norm = kernels.dot_double(t->g_bias, t->g_bias, d);
    for (size_t i = 0; i < chunks; i++)
        norm += t->norm[i];
    t->last_norm = sqrt(norm);
    kernels.adam(&u.adam, p->b_dec.w, p->b_dec.m, p->b_dec.v, t->g_bias, u.clip,
                 d);
}

int dense_step(struct dense *t, const float *x, const struct step_plan *plan,
               const uint64_t *silent, struct step_result *out, struct err *e)
{
    struct parameters *p = t->p;
    struct rows j = {.t = t, .x = x, .plan = plan};
    find_dead(t, plan, silent);
    j.k_aux = p->d / 2 > 0 ? p->d / 2 : 1;
    over_rows(&j, WORK_PREPARE);
    to_features(t, t->h, t->centred, p->w_enc.w, 1);
    j.cut = find_cut(&j);
    if (t->n_dead > 0)
        over_rows(&j, WORK_DEAD);
    if (j.k_aux == SIZE_MAX)
        return err_memory(e, "AuxK", t->n_dead * sizeof(struct hit));
    over_rows(&j, WORK_MASK);
    to_inputs(t, t->residual, t->h, p->w_dec.w);
    over_rows(&j, WORK_ERROR);
    to_features(t, t->dh, t->residual, p->w_dec.w, 0);
    over_rows(&j, WORK_MASK_GRADIENT);
    to_gradient(t, t->g_dec, t->h, t->residual, 0);
    double loss = 0;
    for (size_t r = 0; r < t->n; r++)
        loss += t->row_loss[r];
    if (t->n_dead > 0) {
        j.weight = aux_weight(t, plan->aux);
        to_inputs(t, t->left, t->a, p->w_dec.w);
        over_rows(&j, WORK_LEFT);
        to_gradient(t, t->g_dec, t->a, t->left, 1);
        to_features(t, t->h, t->left, p->w_dec.w, 0);
        over_rows(&j, WORK_ADD_AUX);
    }
    to_gradient(t, t->g_enc, t->dh, t->centred, 0);
    update(t, plan);
    *out = (struct step_result){.loss = loss / (double)t->n,
                                .l0 = (double)plan->k};
    return 0;
}
