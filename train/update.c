/* SPDX-License-Identifier: MIT
 *
 * The second half of the training step: gradients of features and what they
 * change (train/step.h).
 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/least.h"
#include "kernels/kernels.h"
#include "train/step.h"

/* Adam as in Kingma & Ba. */
static const double epsilon = 1e-8;

/* ---- gradients ---- */

/* Adds the part that one list has in feature i's gradients; its rows count
 * from those of `gradient` and `input`. Returns the sum of g. */
static float add_gradient(const struct transposed *t, size_t i, float *dec,
                          float *enc, const float *gradient, const float *input,
                          size_t d)
{
    size_t first = t->start[i], count = t->start[i + 1] - first;
    const uint32_t *row = t->row + first;
    const float *f = t->f + first, *g = t->g + first;
    float sum = 0;
    kernels.add_rows(dec, gradient, row, f, count, d);
    kernels.add_rows(enc, input, row, g, count, d);
    for (size_t j = 0; j < count; j++)
        sum += g[j];
    return sum;
}

/* dec and enc (count, d) of features from the first on, by dense tiles; without
 * prefixes and AuxK. */
static void dense_gradients(const struct step *s, size_t first, size_t count,
                            float *dec, float *enc, float *tile)
{
    size_t d = s->p->d;
    struct dense_lists t = {.start = s->pairs.start + first,
                            .index = s->pairs.row,
                            .count = count,
                            .universe = s->codes.n,
                            .w = step_gradient_row(s, 0, 0),
                            .d = d};
    memset(dec, 0, count * d * sizeof *dec);
    memset(enc, 0, count * d * sizeof *enc);
    dense_add(&t, dec, s->pairs.f, tile);
    t.w = s->centred;
    dense_add(&t, enc, s->pairs.g, tile);
}

static float sum_g(const struct transposed *t, size_t i)
{
    float sum = 0;
    for (size_t j = t->start[i]; j < t->start[i + 1]; j++)
        sum += t->g[j];
    return sum;
}

/* What the penalty adds for a decoder row's norm. */
static void add_norm_gradient(const struct step *s, size_t i, float *dec)
{
    const struct transposed *t = &s->pairs;
    double norm = (double)s->norms[i], sum = 0;
    for (size_t j = t->start[i]; j < t->start[i + 1]; j++) {
        double f = (double)t->f[j];
        sum += penalty_slope(&s->penalty, f * norm) * f;
    }
    if (norm > 0)
        kernels.add_scaled(dec, (float)(sum / norm / (double)s->codes.n),
                           s->p->w_dec.w + i * s->p->d, s->p->d);
}

/* Of a feature that the pre-activation loss pulls: all rows' part. */
static float add_pull(const struct step *s, float *enc)
{
    double pull = s->threshold.pull;
    kernels.add_scaled(enc, -(float)(pull / (double)s->codes.n), s->sum,
                       s->p->d);
    return -(float)pull;
}

/* What is not of the main pairs. */
static float add_other(const struct step *s, size_t i, float *dec, float *enc)
{
    size_t d = s->p->d;
    float along = 0;
    if (s->auxk.n > 0)
        along += add_gradient(&s->aux_pairs, i, dec, enc, s->auxk.gradient,
                              s->centred + s->auxk.first * d, d);
    if (s->optimiser.free_rows && s->penalty.kind != PENALTY_NONE)
        add_norm_gradient(s, i, dec);
    if (threshold_pulls(&s->threshold, i))
        along += add_pull(s, enc);
    return along;
}

float step_feature_gradient(const struct step *s, size_t i, float *dec,
                            float *enc)
{
    size_t d = s->p->d;
    const float *gradient = step_gradient_row(s, groups_of(&s->groups, i), 0);
    memset(dec, 0, d * sizeof *dec);
    memset(enc, 0, d * sizeof *enc);
    return add_gradient(&s->pairs, i, dec, enc, gradient, s->centred, d) +
           add_other(s, i, dec, enc);
}

/* Σ side over a feature's pairs; of those that are active, how many, and Σ
 * side·f. */
static double sum_side(const struct transposed *t, size_t i, size_t *active,
                       double *with_f)
{
    double sum = 0;
    *active = 0;
    *with_f = 0;
    for (size_t j = t->start[i]; j < t->start[i + 1]; j++) {
        sum += (double)t->side[j];
        *active += t->f[j] > 0;
        *with_f += (double)t->side[j] * (double)t->f[j];
    }
    return sum;
}

struct scalar_gradients step_scalar_gradients(const struct step *s, size_t i,
                                              float along)
{
    const struct parameters *p = s->p;
    struct scalar_gradients q = {.b_enc = along};
    size_t active;
    double with_f;
    if (p->threshold.w != NULL) {
        double theta = sum_side(&s->pairs, i, &active, &with_f);
        double silent = (double)(s->codes.n - active);
        if (threshold_pulls(&s->threshold, i))
            theta += s->threshold.pull * silent / (double)s->codes.n;
        q.threshold = (float)theta;
    }
    if (p->b_mag.w != NULL) {
        double by_magnitude = sum_side(&s->pairs, i, &active, &with_f);
        q.b_mag = (float)by_magnitude;
        q.r_mag = (float)(with_f - by_magnitude * (double)p->b_mag.w[i]);
        q.b_enc = (float)((double)along - (double)s->gain[i] * by_magnitude);
    }
    return q;
}

/* ---- the update ---- */

struct update {
    struct step *s;
    struct adam adam, threshold;
    float clip;
};

static bool has_pairs(const struct transposed *t, size_t i)
{
    return t->start[i + 1] > t->start[i];
}

/* In how many rows a feature was active; pairs that only learn do not count. */
static size_t count_active(const struct transposed *t, size_t i)
{
    size_t active = 0;
    for (size_t j = t->start[i]; j < t->start[i + 1]; j++)
        active += t->f[j] > 0;
    return active;
}

static void remove_along(float *gradient, const float *row, size_t d)
{
    kernels.add_scaled(gradient, -kernels.dot(gradient, row, d), row, d);
}

static void renormalise(float *row, size_t d)
{
    double length = sqrt(kernels.dot_double(row, row, d));
    if (length > 0)
        kernels.scale(row, (float)(1 / length), d);
}

static double square(float x)
{
    return (double)x * (double)x;
}

/* Projects; adds the squared norm, and the feature's share of ∂L/∂b_dec. */
static void take_gradient(const struct step *s, size_t i, float *dec,
                          float *enc, float along,
                          const struct scalar_gradients *q, float *bias,
                          double *norm)
{
    const struct parameters *p = s->p;
    size_t d = p->d, at = i * d;
    if (!s->optimiser.free_rows)
        remove_along(dec, p->w_dec.w + at, d);
    if (s->optimiser.unit_encoder)
        remove_along(enc, p->w_enc.w + at, d);
    kernels.add_scaled(bias, -along, p->w_enc.w + at, d);
    *norm += kernels.dot_double(dec, dec, d) + kernels.dot_double(enc, enc, d) +
             square(q->b_enc);
    *norm += square(q->threshold) + square(q->r_mag) + square(q->b_mag);
}

/* One number of a feature. */
static void update_scalar(const struct adam *adam, const struct weight *w,
                          size_t i, float g, float clip)
{
    kernels.adam(adam, w->w + i, w->m + i, w->v + i, &g, clip, 1);
}

static void update_scalars(const struct update *u, size_t i,
                           const struct scalar_gradients *q)
{
    struct parameters *p = u->s->p;
    update_scalar(&u->adam, &p->b_enc, i, q->b_enc, u->clip);
    if (p->threshold.w != NULL) {
        update_scalar(&u->threshold, &p->threshold, i, q->threshold, u->clip);
        if (p->threshold.w[i] < 0)
            p->threshold.w[i] = 0;
    }
    if (p->b_mag.w != NULL) {
        update_scalar(&u->adam, &p->r_mag, i, q->r_mag, u->clip);
        update_scalar(&u->adam, &p->b_mag, i, q->b_mag, u->clip);
    }
}

/* Updates feature i by its gradients; adds its squared gradient norm and its
 * share of ∂L/∂b_dec to the chunk's sums. */
static void update_feature(const struct update *u, size_t i, float *dec,
                           float *enc, float along, float *bias, double *norm)
{
    struct step *s = u->s;
    struct parameters *p = s->p;
    size_t d = p->d, at = i * d;
    float *w_enc = p->w_enc.w + at, *w_dec = p->w_dec.w + at;
    struct scalar_gradients q = step_scalar_gradients(s, i, along);
    /* AuxK's pairs do not make a feature alive. */
    size_t active = count_active(&s->pairs, i);
    if (has_pairs(&s->pairs, i) || threshold_pulls(&s->threshold, i) ||
        (s->auxk.n > 0 && has_pairs(&s->aux_pairs, i)))
        take_gradient(s, i, dec, enc, along, &q, bias, norm);
    s->silent[i] = active > 0 ? 0 : s->silent[i] + s->codes.n;
    s->fired[i] += active;
    kernels.adam(&u->adam, w_enc, p->w_enc.m + at, p->w_enc.v + at, enc,
                 u->clip, d);
    kernels.adam(&u->adam, w_dec, p->w_dec.m + at, p->w_dec.v + at, dec,
                 u->clip, d);
    update_scalars(u, i, &q);
    if (!s->optimiser.free_rows)
        renormalise(w_dec, d);
    if (s->optimiser.unit_encoder)
        renormalise(w_enc, d);
}

static void update_densely(const struct update *u, size_t first, size_t end,
                           int thread, float *bias, double *norm)
{
    struct step *s = u->s;
    size_t d = s->p->d;
    float *dec = s->blocks + (size_t)thread * 2 * DENSE_LISTS * d;
    float *enc = dec + DENSE_LISTS * d;
    dense_gradients(s, first, end - first, dec, enc,
                    s->tiles + (size_t)thread * DENSE_TILE);
    for (size_t i = first; i < end; i++, dec += d, enc += d) {
        float along = sum_g(&s->pairs, i) + add_other(s, i, dec, enc);
        update_feature(u, i, dec, enc, along, bias, norm);
    }
}

static void update_chunk(void *ctx, size_t chunk, int thread)
{
    const struct update *u = ctx;
    struct step *s = u->s;
    size_t d = s->p->d, first = chunk * STEP_CHUNK_FEATURES;
    float *bias = s->chunk_bias + chunk * d;
    double *norm = &s->chunk_norm[chunk];
    memset(bias, 0, d * sizeof *bias);
    *norm = 0;
    size_t end = least(first + STEP_CHUNK_FEATURES, s->p->m);
    if (step_is_dense(s))
        update_densely(u, first, end, thread, bias, norm);
    for (size_t i = first; !step_is_dense(s) && i < end; i++) {
        float *dec = s->rows + (size_t)thread * 2 * d, *enc = dec + d;
        float along = step_feature_gradient(s, i, dec, enc);
        update_feature(u, i, dec, enc, along, bias, norm);
    }
    /* While the new rows are still in cache. */
    size_t features = s->encoder.product.features;
    for (size_t i = first; i < end; i += features)
        encoder_pack_panel(&s->encoder, i / features);
}

void step_update(struct step *s, const struct step_plan *plan)
{
    const struct optimiser *o = &s->optimiser;
    struct parameters *p = s->p;
    double since = clock_seconds();
    size_t d = p->d;
    size_t chunks = (p->m + STEP_CHUNK_FEATURES - 1) / STEP_CHUNK_FEATURES;
    double limit = o->clip * sqrt((double)d), t = (double)plan->t;
    struct update u = {
        .s = s,
        .adam = adam_at(o->beta1, o->beta2, epsilon, plan->rate, t),
        .threshold =
            adam_at(o->beta1, o->beta2, epsilon, plan->rate * o->threshold, t),
        .clip = limit > 0 && s->norm > limit ? (float)(limit / s->norm) : 1,
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
    s->was_dense = step_is_dense(s);
    s->seconds[PHASE_UPDATE] += clock_seconds() - since;
}
