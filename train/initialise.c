/* SPDX-License-Identifier: MIT */
#include "train/initialise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

/* c from one batch: e = y − (x − b_dec), so y = e + centred. */
static float best_tie(const struct step *s, size_t n)
{
    size_t d = s->p->d;
    double along = 0, square = 0;
    float unit;
    const float *error = step_error(s, &unit);
    for (size_t r = 0; r < n; r++) {
        const float *x = s->centred + r * d, *e = error + r * d;
        for (size_t j = 0; j < d; j++) {
            double y = (double)e[j] * (double)unit + (double)x[j];
            along += y * (double)x[j];
            square += y * y;
        }
    }
    return square > 0 && along > 0 ? (float)(along / square) : 1;
}

/* All thresholds just under the least pre-activation of those that are the
 * n·4·target largest, at an encoder c times as large. */
static void set_thresholds(struct step *s, double typed, float c)
{
    const struct codes *codes = &s->codes;
    float least = (float)typed;
    for (size_t i = 0; typed == 0 && i < codes->start[codes->n]; i++)
        if (i == 0 || c * codes->value[i] < least)
            least = c * codes->value[i];
    for (size_t i = 0; i < s->p->m; i++)
        s->p->threshold.w[i] = typed > 0 ? least : nextafterf(least, 0);
}

/* Scales the encoder by what the first batch, x, wants, and sets thresholds. */
static int take_first_batch(struct step *s, const float *x, size_t n,
                            const struct step_plan *plan,
                            const struct start *start, struct err *e)
{
    struct parameters *p = s->p;
    struct step_plan first = *plan;
    struct step_result result;
    struct weight threshold = p->threshold;
    /* Thresholds that are to be found do not select yet. */
    if (threshold.w != NULL) {
        size_t k = 4 * start->target;
        first.rule = RULE_BATCH_TOPK;
        first.k = k < p->m ? k : p->m;
        p->threshold = (struct weight){0};
    }
    step_pack(s);
    int code = step_forward(s, x, n, &first, &result, e);
    p->threshold = threshold;
    TRY(code);
    float c =
        start->encoder_scale > 0 ? (float)start->encoder_scale : best_tie(s, n);
    if (threshold.w != NULL)
        set_thresholds(s, start->threshold, c);
    if (start->untied)
        parameters_draw_encoder(p, start->seed, s->team);
    kernels.scale(p->w_enc.w, c, p->m * p->d);
    return 0;
}

int initialise(struct step *s, const struct input *in,
               const struct input_statistics *statistics,
               const struct step_plan *plan, const struct start *start,
               struct err *e)
{
    size_t d = in->d;
    size_t n = in->sample_rows < s->batch ? in->sample_rows : s->batch;
    struct parameters *p = s->p;
    parameters_draw(p, start->seed, s->team);
    TRY(input_statistics_confine(statistics, p, s->team, e));
    for (size_t j = 0; j < d; j++)
        p->b_dec.w[j] = start->zero_bias ? 0 : (float)in->scale * in->mean[j];
    float *x = malloc(n * d * sizeof *x);
    if (x == NULL)
        return err_memory(e, "first batch", n * d * sizeof *x);
    memcpy(x, in->sample, n * d * sizeof *x);
    kernels.scale(x, (float)in->scale, n * d);
    int code = take_first_batch(s, x, n, plan, start, e);
    free(x);
    TRY(code);
    step_pack(s);
    /* Both came from h before the scaling. */
    s->forward.floor = 0;
    s->guess = (struct guess){0};
    return 0;
}
