/* SPDX-License-Identifier: MIT */
#include "train/step.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "kernels/kernels.h"

/* Items of parallel work: big enough to be worth handing out, small enough to
 * share evenly. */
enum { BLOCK_ROWS = 64, CHUNK_FEATURES = 64 /* whole panels */ };

/* Adam as in Kingma & Ba, the defaults of docs/design.md. */
static const double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;

static size_t ceil_div(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

int step_init(struct step *s, struct parameters *p, const struct team *team,
              size_t batch, struct err *e)
{
    *s = (struct step){.p = p, .team = team, .batch = batch};
    size_t d = p->d, m = p->m;
    size_t blocks = ceil_div(batch, BLOCK_ROWS);
    size_t chunks = ceil_div(m, CHUNK_FEATURES);
    struct arena *a = &s->arena;
    TRY(forward_init(&s->forward, team, e));
    TRY(encoder_init(&s->encoder, d, m, ENCODER_COARSE, e));
    encoder_set(&s->encoder, p->w_enc.w, p->b_enc.w, NULL, m);
    TRY(auxk_init(&s->auxk, p, a, e));
    TRY(arena_get(a, &s->centred, batch * d, sizeof(float), "batch", e));
    TRY(arena_get(a, &s->row_loss, batch, sizeof(double), "batch", e));
    TRY(arena_get(a, &s->row_error, batch, sizeof(double), "batch", e));
    TRY(arena_get(a, &s->block_bias, blocks * d, sizeof(float), "sums", e));
    TRY(arena_get(a, &s->chunk_bias, chunks * d, sizeof(float), "sums", e));
    TRY(arena_get(a, &s->chunk_norm, chunks, sizeof(double), "sums", e));
    TRY(arena_get(a, &s->rows, (size_t)team->threads * 2 * d, sizeof(float),
                  "sums", e));
    TRY(arena_get(a, &s->bias, d, sizeof(float), "sums", e));
    return arena_get(a, &s->silent, m, sizeof(uint64_t), "counters", e);
}

void step_free(struct step *s)
{
    if (s->forward.team != NULL)
        forward_free(&s->forward);
    encoder_free(&s->encoder);
    auxk_free(&s->auxk);
    codes_free(&s->codes);
    free(s->g);
    transposed_free(&s->pairs);
    transposed_free(&s->aux_pairs);
    arena_free(&s->arena);
    arena_free(&s->gradient_arena);
    *s = (struct step){0};
}

void step_pack(struct step *s)
{
    encoder_pack(&s->encoder, s->team);
}

/* Adds the time since *since to a phase; the next begins now. */
static void clock_phase(struct step *s, enum step_phase phase, double *since)
{
    double now = clock_seconds();
    s->seconds[phase] += now - *since;
    *since = now;
}

/* ---- forward ---- */

struct batch {
    struct step *s;
    const float *x;
    size_t n;
};

static void centre_rows(void *ctx, size_t block, int thread)
{
    (void)thread;
    const struct batch *b = ctx;
    size_t d = b->s->p->d, first = block * BLOCK_ROWS;
    for (size_t r = first; r < b->n && r < first + BLOCK_ROWS; r++)
        kernels.subtract(b->s->centred + r * d, b->x + r * d, b->s->p->b_dec.w,
                         d);
}

/* Group p's row r of s->gradient. */
static float *gradient_row(const struct step *s, size_t p, size_t r)
{
    return s->gradient + (p * s->codes.n + r) * s->p->d;
}

/* Codes stand in feature order, so a group's are a stretch of a row's. */
static size_t group_end(const struct step *s, size_t p, size_t at, size_t end)
{
    while (at < end && s->codes.feature[at] < s->groups.end[p])
        at++;
    return at;
}

/* e_p of all prefixes, each going on where the one before it stopped:
 * e_p = Σ_{i < w_p} f_i·W_dec[i] − (x − b_dec). */
static void decode_prefixes(struct step *s, size_t r,
                            size_t group[GROUPS_MAX + 1])
{
    const struct codes *c = &s->codes;
    size_t d = s->p->d;
    double loss = 0, error = 0;
    group[0] = c->start[r];
    for (size_t p = 0; p < s->groups.n; p++) {
        float *e = gradient_row(s, p, r);
        size_t at = group[p], end = group_end(s, p, at, c->start[r + 1]);
        if (p > 0)
            memcpy(e, gradient_row(s, p - 1, r), d * sizeof *e);
        for (size_t j = 0; p == 0 && j < d; j++)
            e[j] = -s->centred[r * d + j];
        kernels.add_rows(e, s->p->w_dec.w, c->feature + at, c->value + at,
                         end - at, d);
        if (p == 0 || end > at)
            error = kernels.dot_double(e, e, d);
        loss += error;
        group[p + 1] = end;
    }
    s->row_loss[r] = loss / (double)s->groups.n;
    s->row_error[r] = error;
}

/* G of each group and g of one row. */
static void decode_row(struct step *s, size_t r)
{
    const struct codes *c = &s->codes;
    size_t d = s->p->d, groups = s->groups.n, group[GROUPS_MAX + 1];
    decode_prefixes(s, r, group);
    for (size_t p = groups; p-- > 0;) {
        float *G = gradient_row(s, p, r);
        size_t at = group[p];
        kernels.scale(G, 2.0f / (float)(c->n * groups), d);
        if (p + 1 < groups)
            kernels.add_scaled(G, 1, gradient_row(s, p + 1, r), d);
        kernels.dot_rows(s->g + at, G, s->p->w_dec.w, c->feature + at,
                         group[p + 1] - at, d);
    }
}

static void decode_rows(void *ctx, size_t block, int thread)
{
    (void)thread;
    const struct batch *b = ctx;
    struct step *s = b->s;
    size_t d = s->p->d, first = block * BLOCK_ROWS;
    float *bias = s->block_bias + block * d;
    memset(bias, 0, d * sizeof *bias);
    for (size_t r = first; r < b->n && r < first + BLOCK_ROWS; r++) {
        decode_row(s, r);
        kernels.add_scaled(bias, 1, gradient_row(s, 0, r), d);
    }
}

static int have_g(struct step *s, struct err *e)
{
    size_t need = s->codes.start[s->codes.n];
    if (need > s->g_capacity || s->g == NULL) {
        free(s->g);
        s->g_capacity = need + need / 4 + 1;
        s->g = malloc(s->g_capacity * sizeof *s->g);
        if (s->g == NULL)
            return err_memory(e, "gradients", s->g_capacity * sizeof *s->g);
    }
    return 0;
}

/* Takes over the plan's prefixes and has room for a gradient of each. */
static int set_groups(struct step *s, const struct groups *groups, size_t n,
                      struct err *e)
{
    s->groups = *groups;
    if (groups->n == 0)
        s->groups = (struct groups){.n = 1, .end = {s->p->m}};
    assert(s->groups.n <= GROUPS_MAX &&
           s->groups.end[s->groups.n - 1] == s->p->m);
    if (s->groups.n * n <= s->gradient_rows)
        return 0;
    arena_free(&s->gradient_arena);
    s->gradient_rows = 0;
    TRY(arena_get(&s->gradient_arena, &s->gradient,
                  s->groups.n * s->batch * s->p->d, sizeof(float), "batch", e));
    s->gradient_rows = s->groups.n * s->batch;
    return 0;
}

int step_forward(struct step *s, const float *x, size_t n,
                 const struct step_plan *plan, struct step_result *out,
                 struct err *e)
{
    assert(n > 0 && n <= s->batch);
    struct batch b = {s, x, n};
    struct selection rule = {
        .rule = plan->rule, .k = plan->k, .guess = &s->guess};
    size_t blocks = ceil_div(n, BLOCK_ROWS), d = s->p->d;
    double since = clock_seconds();
    TRY(set_groups(s, &plan->groups, n, e));
    team_run(s->team, centre_rows, &b, blocks);
    clock_phase(s, PHASE_PACK, &since);
    TRY(forward_run(&s->forward, &s->encoder, &rule, s->centred, n, &s->codes,
                    e));
    clock_phase(s, PHASE_SELECT, &since);
    s->seconds[PHASE_SELECT] -= s->forward.seconds;
    s->seconds[PHASE_PRODUCT] += s->forward.seconds;
    s->candidates = s->forward.candidates;
    s->passes = s->forward.passes;
    TRY(have_g(s, e));
    team_run(s->team, decode_rows, &b, blocks);
    double loss = 0, error = 0;
    for (size_t r = 0; r < n; r++) {
        loss += s->row_loss[r];
        error += s->row_error[r];
    }
    memset(s->bias, 0, d * sizeof *s->bias);
    for (size_t i = 0; i < blocks; i++)
        kernels.add_scaled(s->bias, 1, s->block_bias + i * d, d);
    *out = (struct step_result){
        .loss = loss / (double)n,
        .error = error / (double)n,
        .l0 = (double)s->codes.start[n] / (double)n,
    };
    clock_phase(s, PHASE_DECODE, &since);
    return 0;
}

/* ---- feature order ---- */

int step_transpose(struct step *s, struct err *e)
{
    double since = clock_seconds();
    size_t m = s->p->m;
    TRY(transpose(&s->pairs, &s->codes, s->g, m, s->team, e));
    if (s->auxk.n > 0)
        TRY(transpose(&s->aux_pairs, &s->auxk.codes, s->auxk.g, m, s->team, e));
    clock_phase(s, PHASE_ORDER, &since);
    return 0;
}

/* ---- update ---- */

/* Adds the part that one list has in feature i's gradients; its rows count
 * from those of `gradient` and `input`. Returns that of b_enc[i]. */
static float add_gradient(const struct transposed *t, size_t i, float *dec,
                          float *enc, const float *gradient, const float *input,
                          size_t d)
{
    size_t first = t->start[i], count = t->start[i + 1] - first;
    const uint32_t *row = t->row + first;
    const float *f = t->f + first, *g = t->g + first;
    float b_enc = 0;
    kernels.add_rows(dec, gradient, row, f, count, d);
    kernels.add_rows(enc, input, row, g, count, d);
    for (size_t j = 0; j < count; j++)
        b_enc += g[j];
    return b_enc;
}

const float *step_error(const struct step *s, float *unit)
{
    *unit = (float)(s->codes.n * s->groups.n) / 2;
    return gradient_row(s, s->groups.n - 1, 0);
}

float step_feature_gradient(const struct step *s, size_t i, float *dec,
                            float *enc)
{
    size_t d = s->p->d;
    const float *gradient = gradient_row(s, groups_of(&s->groups, i), 0);
    memset(dec, 0, d * sizeof *dec);
    memset(enc, 0, d * sizeof *enc);
    float b_enc = add_gradient(&s->pairs, i, dec, enc, gradient, s->centred, d);
    if (s->auxk.n > 0)
        b_enc += add_gradient(&s->aux_pairs, i, dec, enc, s->auxk.gradient,
                              s->centred + s->auxk.first * d, d);
    return b_enc;
}

static size_t count_pairs(const struct transposed *t, size_t i)
{
    return t->start[i + 1] - t->start[i];
}

struct update {
    struct step *s;
    struct adam adam;
    float clip;
};

/* Updates feature i; adds its squared gradient norm and its share of
 * ∂L/∂b_dec to the chunk's sums. */
static void update_feature(const struct update *u, size_t i, float *scratch,
                           float *bias, double *norm)
{
    struct step *s = u->s;
    struct parameters *p = s->p;
    size_t d = p->d, at = i * d;
    float *dec = scratch, *enc = scratch + d;
    float *w_dec = p->w_dec.w + at;
    float b_enc = step_feature_gradient(s, i, dec, enc);
    /* AuxK's pairs do not make a feature alive. */
    bool active = count_pairs(&s->pairs, i) > 0;
    if (active || (s->auxk.n > 0 && count_pairs(&s->aux_pairs, i) > 0)) {
        kernels.add_scaled(dec, -kernels.dot(dec, w_dec, d), w_dec, d);
        kernels.add_scaled(bias, -b_enc, p->w_enc.w + at, d);
        *norm += kernels.dot_double(dec, dec, d) +
                 kernels.dot_double(enc, enc, d) +
                 (double)b_enc * (double)b_enc;
    }
    s->silent[i] = active ? 0 : s->silent[i] + s->codes.n;
    kernels.adam(&u->adam, p->w_enc.w + at, p->w_enc.m + at, p->w_enc.v + at,
                 enc, u->clip, d);
    kernels.adam(&u->adam, w_dec, p->w_dec.m + at, p->w_dec.v + at, dec,
                 u->clip, d);
    kernels.adam(&u->adam, p->b_enc.w + i, p->b_enc.m + i, p->b_enc.v + i,
                 &b_enc, u->clip, 1);
    double length = sqrt(kernels.dot_double(w_dec, w_dec, d));
    if (length > 0)
        kernels.scale(w_dec, (float)(1 / length), d);
}

static void update_chunk(void *ctx, size_t chunk, int thread)
{
    const struct update *u = ctx;
    struct step *s = u->s;
    size_t d = s->p->d, first = chunk * CHUNK_FEATURES;
    float *bias = s->chunk_bias + chunk * d;
    double *norm = &s->chunk_norm[chunk];
    memset(bias, 0, d * sizeof *bias);
    *norm = 0;
    size_t end =
        first + CHUNK_FEATURES < s->p->m ? first + CHUNK_FEATURES : s->p->m;
    for (size_t i = first; i < end; i++) {
        update_feature(u, i, s->rows + (size_t)thread * 2 * d, bias, norm);
    }
    /* While the new rows are still in cache. */
    size_t features = s->encoder.product.features;
    for (size_t i = first; i < end; i += features)
        encoder_pack_panel(&s->encoder, i / features);
}

void step_update(struct step *s, const struct step_plan *plan)
{
    struct parameters *p = s->p;
    double since = clock_seconds();
    size_t d = p->d, chunks = ceil_div(p->m, CHUNK_FEATURES);
    double limit = sqrt((double)d);
    struct update u = {
        .s = s,
        .adam = adam_at(beta1, beta2, epsilon, plan->rate, (double)plan->t),
        .clip = s->norm > limit ? (float)(limit / s->norm) : 1,
    };
    team_run(s->team, update_chunk, &u, chunks);
    double norm = 0;
    for (size_t i = 0; i < chunks; i++) {
        norm += s->chunk_norm[i];
        kernels.add_scaled(s->bias, 1, s->chunk_bias + i * d, d);
    }
    norm += kernels.dot_double(s->bias, s->bias, d);
    s->norm = sqrt(norm);
    kernels.adam(&u.adam, p->b_dec.w, p->b_dec.m, p->b_dec.v, s->bias, u.clip,
                 d);
    clock_phase(s, PHASE_UPDATE, &since);
}

int step_aux(struct step *s, const struct step_plan *plan, struct err *e)
{
    float unit;
    const float *error = step_error(s, &unit);
    const struct auxk_input in = {
        .forward = &s->forward,
        .centred = s->centred,
        .error = error,
        .unit = unit,
        .n = s->codes.n,
        .parts = plan->aux_parts,
        .t = plan->t,
        .silent = s->silent,
        .dead_tokens = plan->dead_tokens,
        .alpha = plan->aux,
    };
    double since = clock_seconds();
    TRY(auxk_run(&s->auxk, s->p, &in, e));
    clock_phase(s, PHASE_AUX, &since);
    return 0;
}

int step_run(struct step *s, const float *x, size_t n,
             const struct step_plan *plan, struct step_result *out,
             struct err *e)
{
    TRY(step_forward(s, x, n, plan, out, e));
    TRY(step_aux(s, plan, e));
    TRY(step_transpose(s, e));
    step_update(s, plan);
    return 0;
}
