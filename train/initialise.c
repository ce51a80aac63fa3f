/* SPDX-License-Identifier: MIT */
#include "train/initialise.h"

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

int initialise(struct step *s, const struct input *in,
               const struct input_statistics *statistics,
               const struct step_plan *plan, double scale, uint64_t seed,
               struct err *e)
{
    size_t d = in->d;
    size_t n = in->sample_rows < s->batch ? in->sample_rows : s->batch;
    struct parameters *p = s->p;
    parameters_draw(p, seed, s->team);
    TRY(input_statistics_confine(statistics, p, s->team, e));
    for (size_t j = 0; j < d; j++)
        p->b_dec.w[j] = (float)in->scale * in->mean[j];
    float *x = malloc(n * d * sizeof *x);
    if (x == NULL)
        return err_memory(e, "first batch", n * d * sizeof *x);
    memcpy(x, in->sample, n * d * sizeof *x);
    kernels.scale(x, (float)in->scale, n * d);
    struct step_result result;
    step_pack(s);
    int code = step_forward(s, x, n, plan, &result, e);
    free(x);
    TRY(code);
    float c = scale > 0 ? (float)scale : best_tie(s, n);
    kernels.scale(p->w_enc.w, c, p->m * d);
    step_pack(s);
    /* Both came from h before the scaling. */
    s->forward.floor = 0;
    s->guess = (struct guess){0};
    return 0;
}
