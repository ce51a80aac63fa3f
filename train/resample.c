/* SPDX-License-Identifier: MIT */
#include "train/resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/least.h"
#include "base/rng.h"
#include "kernels/kernels.h"

static const float encoder_share = 0.2f;

bool resample_is_due(const struct resampling *r, uint64_t t)
{
    return r->times > 0 && t > 0 && t % r->every == 0 &&
           t / r->every <= r->times;
}

uint64_t resample_last(const struct resampling *r, uint64_t t)
{
    if (r->times == 0 || t <= r->every)
        return 0;
    uint64_t number = (t - 1) / r->every;
    return r->every * (number < r->times ? number : r->times);
}

bool resample_begins_window(const struct resampling *r, uint64_t t)
{
    return resample_is_due(r, t + r->window);
}

/* A row with its key: the n rows with the largest keys are n draws without
 * replacement (Efraimidis & Spirakis 2006). */
struct draw {
    double key;
    size_t row;
};

static int falling(const void *a, const void *b)
{
    const struct draw *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? 1 : -1;
    return x->row < y->row ? -1 : 1;
}

/* Squared errors of all rows, a batch at a time. */
static int measure_errors(double *error, struct step *s, const float *rows,
                          size_t n, const struct step_plan *plan, struct err *e)
{
    struct step_result unused;
    for (size_t r = 0; r < n; r += s->batch) {
        size_t count = least(s->batch, n - r);
        TRY(step_forward(s, rows + r * s->p->d, count, plan, &unused, e));
        memcpy(error + r, s->row_error, count * sizeof *error);
    }
    return 0;
}

static void draw_rows(struct draw *draw, const double *error, size_t n,
                      struct rng rng)
{
    for (size_t r = 0; r < n; r++) {
        double u = ((double)rng_u32(&rng) + 0.5) / 4294967296.0;
        double weight = error[r] * error[r];
        draw[r] = (struct draw){.key = weight > 0 ? log(u) / weight : -INFINITY,
                                .row = r};
    }
    qsort(draw, n, sizeof *draw, falling);
}

static bool is_dead(const struct step *s, const struct resampling *r, size_t i)
{
    double rows = (double)r->window * (double)s->batch;
    return (double)s->fired[i] <= r->below * rows;
}

static double mean_norm_of_alive(const struct step *s,
                                 const struct resampling *r)
{
    size_t d = s->p->d, alive = 0;
    double sum = 0;
    for (size_t i = 0; i < s->p->m; i++) {
        const float *row = s->p->w_enc.w + i * d;
        if (is_dead(s, r, i))
            continue;
        sum += sqrt(kernels.dot_double(row, row, d));
        alive++;
    }
    return alive > 0 ? sum / (double)alive : 1;
}

static void begin(const struct weight *w, size_t first, const float *values,
                  float scale, size_t n)
{
    memset(w->m + first, 0, n * sizeof *w->m);
    memset(w->v + first, 0, n * sizeof *w->v);
    for (size_t j = 0; j < n; j++)
        w->w[first + j] = values != NULL ? scale * values[j] : 0;
}

/* Feature i begins at row x. */
static void begin_feature(struct step *s, size_t i, const float *x, float norm)
{
    struct parameters *p = s->p;
    size_t d = p->d;
    float *v = s->rows;
    kernels.subtract(v, x, p->b_dec.w, d);
    double length = sqrt(kernels.dot_double(v, v, d));
    float unit = length > 0 ? (float)(1 / length) : 0;
    begin(&p->w_dec, i * d, v, unit, d);
    begin(&p->w_enc, i * d, v, unit * encoder_share * norm, d);
    begin(&p->b_enc, i, NULL, 0, 1);
    if (p->threshold.w != NULL)
        begin(&p->threshold, i, NULL, 0, 1);
    if (p->b_mag.w != NULL) {
        begin(&p->r_mag, i, NULL, 0, 1);
        begin(&p->b_mag, i, NULL, 0, 1);
    }
}

int resample(struct step *s, const struct resampling *r, const float *rows,
             size_t n, const struct step_plan *plan, uint64_t seed,
             size_t *count, struct err *e)
{
    double *error = malloc(n * sizeof *error);
    struct draw *draw = malloc(n * sizeof *draw);
    int code = error == NULL || draw == NULL
                   ? err_memory(e, "resampling", n * sizeof *draw)
                   : measure_errors(error, s, rows, n, plan, e);
    *count = 0;
    if (code == 0) {
        uint32_t lane = (uint32_t)(plan->t / r->every);
        draw_rows(draw, error, n, rng_at(seed, RNG_RESAMPLE, lane));
        float norm = (float)mean_norm_of_alive(s, r);
        for (size_t i = 0; i < s->p->m && *count < n; i++)
            if (is_dead(s, r, i))
                begin_feature(s, i, rows + draw[(*count)++].row * s->p->d,
                              norm);
        step_pack(s);
        s->forward.floor = 0;
        s->guess = (struct guess){0};
    }
    free(error);
    free(draw);
    return code;
}
