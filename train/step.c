/* SPDX-License-Identifier: MIT */
#include "train/step.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/adam.h"
#include "kernels/vector.h"

/* Items of parallel work: big enough to be worth handing out, small enough to
 * share evenly. */
enum { BLOCK_ROWS = 64, CHUNK_FEATURES = 64 };

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
    TRY(auxk_init(&s->auxk, p, batch, a, e));
    TRY(arena_get(a, &s->centred, batch * d, sizeof(float), "batch", e));
    TRY(arena_get(a, &s->residual, batch * d, sizeof(float), "batch", e));
    TRY(arena_get(a, &s->row_loss, batch, sizeof(double), "batch", e));
    TRY(arena_get(a, &s->pair_start, m + 1, sizeof(size_t), "codes", e));
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
    auxk_free(&s->auxk);
    codes_free(&s->codes);
    free(s->g);
    free(s->pairs);
    arena_free(&s->arena);
    *s = (struct step){0};
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
        vector_subtract(b->s->centred + r * d, b->x + r * d, b->s->p->b_dec.w,
                        d);
}

/* x̂, then G and g of one row. e = x̂ − x = Σ f·W_dec − (x − b_dec). */
static void decode_row(struct step *s, size_t r, size_t n)
{
    size_t d = s->p->d;
    const float *w_dec = s->p->w_dec.w;
    const struct codes *c = &s->codes;
    float *e = s->residual + r * d;
    for (size_t j = 0; j < d; j++)
        e[j] = -s->centred[r * d + j];
    for (size_t i = c->start[r]; i < c->start[r + 1]; i++)
        vector_add_scaled(e, c->value[i], w_dec + c->feature[i] * d, d);
    s->row_loss[r] = vector_square_double(e, d);
    vector_scale(e, 2.0f / (float)n, d);
    for (size_t i = c->start[r]; i < c->start[r + 1]; i++)
        s->g[i] = vector_dot(e, w_dec + c->feature[i] * d, d);
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
        decode_row(s, r, b->n);
        vector_add_scaled(bias, 1, s->residual + r * d, d);
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

int step_forward(struct step *s, const float *x, size_t n,
                 const struct step_plan *plan, struct step_result *out,
                 struct err *e)
{
    assert(n > 0 && n <= s->batch);
    struct batch b = {s, x, n};
    struct encoder enc = {s->p->w_enc.w, s->p->b_enc.w, s->p->d, s->p->m};
    struct selection rule = {.rule = plan->rule, .k = plan->k};
    size_t blocks = ceil_div(n, BLOCK_ROWS), d = s->p->d;
    team_run(s->team, centre_rows, &b, blocks);
    TRY(forward_run(&s->forward, &enc, &rule, s->centred, n, &s->codes, e));
    TRY(have_g(s, e));
    team_run(s->team, decode_rows, &b, blocks);
    double loss = 0;
    for (size_t r = 0; r < n; r++)
        loss += s->row_loss[r];
    memset(s->bias, 0, d * sizeof *s->bias);
    for (size_t i = 0; i < blocks; i++)
        vector_add_scaled(s->bias, 1, s->block_bias + i * d, d);
    *out = (struct step_result){
        .loss = loss / (double)n,
        .l0 = (double)s->codes.start[n] / (double)n,
    };
    return 0;
}

/* ---- feature order ---- */

static int have_pairs(struct step *s, size_t n, struct err *e)
{
    if (n <= s->pairs_capacity)
        return 0;
    free(s->pairs);
    s->pairs_capacity = n + n / 4;
    s->pairs = malloc(s->pairs_capacity * sizeof *s->pairs);
    if (s->pairs == NULL) {
        s->pairs_capacity = 0;
        return err_memory(e, "codes", n * sizeof *s->pairs);
    }
    return 0;
}

/* A code list as the counting sort goes through it: feature i of the list is
 * names[i] (NULL: i itself), its rows count from first_row. */
struct list {
    const struct codes *codes;
    const float *g;
    const uint32_t *names;
    size_t first_row;
};

static void count_pairs(size_t *count, const struct list *l)
{
    for (size_t i = 0; i < l->codes->start[l->codes->n]; i++) {
        uint32_t f = l->codes->feature[i];
        count[l->names != NULL ? l->names[f] : f]++;
    }
}

static void place_pairs(struct pair *pairs, size_t *at, const struct list *l)
{
    const struct codes *c = l->codes;
    for (size_t r = 0; r < c->n; r++)
        for (size_t i = c->start[r]; i < c->start[r + 1]; i++) {
            uint32_t f = c->feature[i];
            if (l->names != NULL)
                f = l->names[f];
            pairs[at[f]++] = (struct pair){(uint32_t)(l->first_row + r),
                                           c->value[i], l->g[i]};
        }
}

int step_transpose(struct step *s, struct err *e)
{
    size_t m = s->p->m, n_lists = s->auxk.n > 0 ? 2 : 1;
    const struct list lists[2] = {
        {&s->codes, s->g, NULL, 0},
        {&s->auxk.codes, s->auxk.g, s->auxk.dead, s->codes.n},
    };
    /* pair_start[i + 1] first counts feature i, then is where its next pair
     * goes, and so ends as where feature i + 1 begins. */
    size_t *at = s->pair_start + 1, sum = 0;
    memset(s->pair_start, 0, (m + 1) * sizeof *s->pair_start);
    for (size_t l = 0; l < n_lists; l++)
        count_pairs(at, &lists[l]);
    for (size_t i = 0; i < m; i++) {
        size_t count = at[i];
        at[i] = sum;
        sum += count;
    }
    TRY(have_pairs(s, sum, e));
    for (size_t l = 0; l < n_lists; l++)
        place_pairs(s->pairs, at, &lists[l]);
    return 0;
}

/* ---- update ---- */

float step_feature_gradient(const struct step *s, size_t i, float *dec,
                            float *enc)
{
    size_t d = s->p->d;
    float b_enc = 0;
    memset(dec, 0, d * sizeof *dec);
    memset(enc, 0, d * sizeof *enc);
    for (size_t j = s->pair_start[i]; j < s->pair_start[i + 1]; j++) {
        const struct pair *pair = &s->pairs[j];
        const float *gradient = s->residual + pair->row * d;
        const float *input = s->centred + pair->row * d;
        if (pair->row >= s->codes.n) {
            size_t row = pair->row - s->codes.n;
            gradient = s->auxk.gradient + row * d;
            input = s->centred + (s->auxk.first + row) * d;
        }
        vector_add_scaled(dec, pair->f, gradient, d);
        vector_add_scaled(enc, pair->g, input, d);
        b_enc += pair->g;
    }
    return b_enc;
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
    size_t first = s->pair_start[i];
    bool any = first != s->pair_start[i + 1];
    /* AuxK's pairs come last and do not make a feature alive. */
    bool active = any && s->pairs[first].row < s->codes.n;
    if (any) {
        vector_add_scaled(dec, -vector_dot(dec, w_dec, d), w_dec, d);
        vector_add_scaled(bias, -b_enc, p->w_enc.w + at, d);
        *norm += vector_square_double(dec, d) + vector_square_double(enc, d) +
                 (double)b_enc * (double)b_enc;
    }
    s->silent[i] = active ? 0 : s->silent[i] + s->codes.n;
    adam_update(&u->adam, p->w_enc.w + at, p->w_enc.m + at, p->w_enc.v + at,
                enc, u->clip, d);
    adam_update(&u->adam, w_dec, p->w_dec.m + at, p->w_dec.v + at, dec, u->clip,
                d);
    adam_update(&u->adam, p->b_enc.w + i, p->b_enc.m + i, p->b_enc.v + i,
                &b_enc, u->clip, 1);
    double length = sqrt(vector_square_double(w_dec, d));
    if (length > 0)
        vector_scale(w_dec, (float)(1 / length), d);
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
    for (size_t i = first; i < s->p->m && i < first + CHUNK_FEATURES; i++)
        update_feature(u, i, s->rows + (size_t)thread * 2 * d, bias, norm);
}

void step_update(struct step *s, const struct step_plan *plan)
{
    struct parameters *p = s->p;
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
        vector_add_scaled(s->bias, 1, s->chunk_bias + i * d, d);
    }
    norm += vector_square_double(s->bias, d);
    s->norm = sqrt(norm);
    adam_update(&u.adam, p->b_dec.w, p->b_dec.m, p->b_dec.v, s->bias, u.clip,
                d);
}

int step_aux(struct step *s, const struct step_plan *plan, struct err *e)
{
    const struct auxk_input in = {
        .forward = &s->forward,
        .centred = s->centred,
        .gradient = s->residual,
        .n = s->codes.n,
        .t = plan->t,
        .silent = s->silent,
        .dead_tokens = plan->dead_tokens,
        .alpha = plan->aux,
    };
    return auxk_run(&s->auxk, s->p, &in, e);
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
