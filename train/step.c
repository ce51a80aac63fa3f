/* SPDX-License-Identifier: MIT */
#include "train/step.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "kernels/kernels.h"
#include "train/decode.h"

const struct optimiser optimiser_default = {
    .beta1 = 0.9, .beta2 = 0.999, .clip = 1, .threshold = 1};

static size_t ceil_div(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

int step_init(struct step *s, struct parameters *p, const struct team *team,
              size_t batch, struct err *e)
{
    *s = (struct step){
        .p = p, .team = team, .batch = batch, .optimiser = optimiser_default};
    size_t d = p->d, m = p->m;
    size_t blocks = ceil_div(batch, DECODE_ROWS);
    size_t chunks = ceil_div(m, STEP_CHUNK_FEATURES);
    struct arena *a = &s->arena;
    TRY(forward_init(&s->forward, team, e));
    TRY(encoder_init(&s->encoder, d, m, ENCODER_COARSE, e));
    encoder_set(&s->encoder, p->w_enc.w, p->b_enc.w, NULL, m);
    TRY(auxk_init(&s->auxk, p, a, e));
    TRY(arena_get(a, &s->centred, batch * d, sizeof(float), "batch", e));
    TRY(arena_get(a, &s->row_loss, batch, sizeof(double), "batch", e));
    TRY(arena_get(a, &s->row_error, batch, sizeof(double), "batch", e));
    TRY(arena_get(a, &s->row_penalty, batch, sizeof(double), "batch", e));
    TRY(arena_get(a, &s->gain, m, sizeof(float), "gains", e));
    TRY(arena_get(a, &s->norms, m, sizeof(float), "norms", e));
    TRY(arena_get(a, &s->sum, d, sizeof(float), "sums", e));
    TRY(arena_get(a, &s->block_bias, blocks * d, sizeof(float), "sums", e));
    TRY(arena_get(a, &s->chunk_bias, chunks * d, sizeof(float), "sums", e));
    TRY(arena_get(a, &s->chunk_norm, chunks, sizeof(double), "sums", e));
    TRY(arena_get(a, &s->rows, (size_t)team->threads * 2 * d, sizeof(float),
                  "sums", e));
    TRY(arena_get(a, &s->bias, d, sizeof(float), "sums", e));
    TRY(arena_get(a, &s->fired, m, sizeof(uint64_t), "counters", e));
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
    free(s->h);
    free(s->side);
    transposed_free(&s->pairs);
    transposed_free(&s->aux_pairs);
    arena_free(&s->arena);
    arena_free(&s->gradient_arena);
    arena_free(&s->dense_arena);
    encoder_free(&s->exact);
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
    size_t d = b->s->p->d, first = block * DECODE_ROWS;
    for (size_t r = first; r < b->n && r < first + DECODE_ROWS; r++)
        kernels.subtract(b->s->centred + r * d, b->x + r * d, b->s->p->b_dec.w,
                         d);
}

float *step_gradient_row(const struct step *s, size_t p, size_t r)
{
    return s->gradient + (p * s->codes.n + r) * s->p->d;
}

/* ---- activations of thresholds and gates ---- */

static void activate_rows(void *ctx, size_t block, int thread)
{
    (void)thread;
    const struct batch *b = ctx;
    struct step *s = b->s;
    const struct gate gate = decode_gate(s);
    size_t first = block * DECODE_ROWS;
    for (size_t r = first; r < b->n && r < first + DECODE_ROWS; r++) {
        struct entries row = decode_entries(s, r);
        size_t active = s->p->threshold.w != NULL
                            ? threshold_activate(s->p->threshold.w, &row)
                            : gate_activate(&gate, &row);
        s->row_loss[r] = (double)active;
    }
}

/* Σ_rows x − b_dec, in the blocks' order. */
static void sum_block(void *ctx, size_t block, int thread)
{
    (void)thread;
    const struct batch *b = ctx;
    size_t d = b->s->p->d, first = block * DECODE_ROWS;
    float *sum = b->s->block_bias + block * d;
    memset(sum, 0, d * sizeof *sum);
    for (size_t r = first; r < b->n && r < first + DECODE_ROWS; r++)
        kernels.add_scaled(sum, 1, b->s->centred + r * d, d);
}

static void add_blocks(const struct step *s, float *sum, size_t blocks)
{
    size_t d = s->p->d;
    memset(sum, 0, d * sizeof *sum);
    for (size_t i = 0; i < blocks; i++)
        kernels.add_scaled(sum, 1, s->block_bias + i * d, d);
}

/* From pre-activations to activations; *active: how many there are. */
static void activate(struct step *s, const struct batch *b, size_t blocks,
                     const struct step_plan *plan, double *active)
{
    struct parameters *p = s->p;
    s->threshold = (struct threshold){.pull = 0};
    *active = (double)s->codes.start[b->n];
    if (!decode_has_own(s))
        return;
    if (p->b_mag.w != NULL)
        gate_gains(s->gain, p);
    team_run(s->team, activate_rows, (void *)(uintptr_t)b, blocks);
    *active = 0;
    for (size_t r = 0; r < b->n; r++)
        *active += s->row_loss[r];
    if (p->threshold.w == NULL)
        return;
    s->threshold = (struct threshold){
        .theta = p->threshold.w,
        .bandwidth = plan->bandwidth,
        .penalty = s->penalty,
        .slope_l0 = penalty_slope_l0(&s->penalty, *active, b->n),
        .n = b->n,
        .pull = plan->pull,
        .silent = s->silent,
        .dead_tokens = plan->dead_tokens,
    };
    if (plan->pull > 0) {
        team_run(s->team, sum_block, (void *)(uintptr_t)b, blocks);
        add_blocks(s, s->sum, blocks);
    }
}

/* ---- forward ---- */

static int reserve(float **out, size_t n, struct err *e)
{
    free(*out);
    *out = malloc(n * sizeof **out);
    return *out == NULL ? err_memory(e, "gradients", n * sizeof **out) : 0;
}

/* Room for what is known of each entry. */
static int have_entries(struct step *s, struct err *e)
{
    size_t need = s->codes.start[s->codes.n];
    if (need <= s->entries && s->g != NULL &&
        (!decode_has_own(s) || s->h != NULL))
        return 0;
    size_t n = need + need / 4 + 1;
    s->entries = 0;
    TRY(reserve(&s->g, n, e));
    if (decode_has_own(s)) {
        TRY(reserve(&s->h, n, e));
        TRY(reserve(&s->side, n, e));
    }
    s->entries = n;
    return 0;
}

bool step_is_dense(const struct step *s)
{
    size_t n = s->codes.n;
    if (s->groups.n > 1 || s->density == DENSITY_SPARSE)
        return false;
    return s->density == DENSITY_DENSE ||
           dense_pays(s->codes.start[n], n, s->p->m);
}

static int have_tiles(struct step *s, struct err *e)
{
    size_t threads = (size_t)s->team->threads;
    struct arena *a = &s->dense_arena;
    if (s->tiles != NULL)
        return 0;
    TRY(arena_get(a, &s->blocks, threads * 2 * DENSE_LISTS * s->p->d,
                  sizeof(float), "dense tiles", e));
    return arena_get(a, &s->tiles, threads * DENSE_TILE, sizeof(float),
                     "dense tiles", e);
}

/* An exact one where the batch before was dense. It is packed here, since
 * updates pack the other. */
static int choose_encoder(struct step *s, const struct encoder **encoder,
                          struct err *e)
{
    *encoder = &s->encoder;
    if (!s->was_dense || !s->encoder.coarse)
        return 0;
    if (s->exact.capacity == 0)
        TRY(encoder_init(&s->exact, s->p->d, s->p->m, ENCODER_EXACT, e));
    encoder_set(&s->exact, s->p->w_enc.w, s->p->b_enc.w, NULL, s->p->m);
    encoder_pack(&s->exact, s->team);
    *encoder = &s->exact;
    return 0;
}

static void measure_norms(struct step *s)
{
    size_t d = s->p->d;
    for (size_t i = 0; i < s->p->m; i++) {
        const float *row = s->p->w_dec.w + i * d;
        s->norms[i] = (float)sqrt(kernels.dot_double(row, row, d));
    }
}

/* What of the plan a batch is worked out with. */
static struct selection selection_of(struct step *s,
                                     const struct step_plan *plan)
{
    struct selection rule = {
        .rule = plan->rule, .k = plan->k, .guess = &s->guess};
    if (plan->rule == RULE_THRESHOLD) {
        rule.threshold = s->p->threshold.w;
        rule.below = plan->bandwidth / 2;
    }
    return rule;
}

static void sum_up(struct step_result *out, const struct step *s, size_t n,
                   double active)
{
    double loss = 0, error = 0, sum = 0;
    for (size_t r = 0; r < n; r++) {
        loss += s->row_loss[r];
        error += s->row_error[r];
        sum += s->row_penalty[r];
    }
    *out = (struct step_result){
        .loss = loss / (double)n,
        .error = error / (double)n,
        .penalty = penalty_loss(&s->penalty, sum, n),
        .sum = sum / (double)n,
        .l0 = active / (double)n,
    };
    for (size_t i = 0; s->penalty.p < 1 && i < s->codes.start[n]; i++)
        out->l1 += (double)s->codes.value[i] / (double)n;
    if (s->penalty.kind != PENALTY_NONE)
        out->loss += out->penalty;
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
    struct selection rule = selection_of(s, plan);
    size_t blocks = ceil_div(n, DECODE_ROWS);
    double active;
    double since = clock_seconds();
    TRY(set_groups(s, &plan->groups, n, e));
    s->penalty = plan->penalty;
    if (s->optimiser.free_rows)
        measure_norms(s);
    team_run(s->team, centre_rows, &b, blocks);
    clock_phase(s, PHASE_PACK, &since);
    const struct encoder *encoder;
    TRY(choose_encoder(s, &encoder, e));
    TRY(forward_run(&s->forward, encoder, &rule, s->centred, n, &s->codes, e));
    clock_phase(s, PHASE_SELECT, &since);
    s->seconds[PHASE_SELECT] -= s->forward.seconds;
    s->seconds[PHASE_PRODUCT] += s->forward.seconds;
    s->candidates = s->forward.candidates;
    s->passes = s->forward.passes;
    TRY(have_entries(s, e));
    if (step_is_dense(s))
        TRY(have_tiles(s, e));
    activate(s, &b, blocks, plan, &active);
    decode_batch(s);
    add_blocks(s, s->bias, blocks);
    sum_up(out, s, n, active);
    clock_phase(s, PHASE_DECODE, &since);
    return 0;
}

/* ---- feature order ---- */

int step_transpose(struct step *s, struct err *e)
{
    double since = clock_seconds();
    size_t m = s->p->m;
    TRY(transpose(&s->pairs, &s->codes, s->g,
                  decode_has_own(s) ? s->side : NULL, m, s->team, e));
    if (s->auxk.n > 0)
        TRY(transpose(&s->aux_pairs, &s->auxk.codes, s->auxk.g, NULL, m,
                      s->team, e));
    clock_phase(s, PHASE_ORDER, &since);
    return 0;
}

const float *step_error(const struct step *s, float *unit)
{
    *unit = (float)(s->codes.n * s->groups.n) / 2;
    return step_gradient_row(s, s->groups.n - 1, 0);
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
