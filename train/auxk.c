/* SPDX-License-Identifier: MIT */
#include "train/auxk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

enum { BLOCK_ROWS = 16 /* of one item of parallel work */ };

int auxk_init(struct auxk *a, const struct parameters *p, struct arena *arena,
              struct err *e)
{
    *a = (struct auxk){.n = 0};
    return arena_get(arena, &a->dead, p->m, sizeof *a->dead, "AuxK", e);
}

void auxk_free(struct auxk *a)
{
    codes_free(&a->codes);
    free(a->gradient);
    free(a->g);
    encoder_free(&a->encoder);
    *a = (struct auxk){0};
}

/* Lists the dead features and packs their encoder. */
static int gather(struct auxk *a, const struct parameters *p,
                  const struct auxk_input *in, struct err *e)
{
    a->n_dead = 0;
    for (size_t i = 0; i < p->m; i++)
        if (in->silent[i] >= in->dead_tokens)
            a->dead[a->n_dead++] = (uint32_t)i;
    if (a->n_dead == 0)
        return 0;
    if (a->n_dead > a->encoder.capacity) {
        encoder_free(&a->encoder);
        TRY(encoder_init(&a->encoder, p->d, a->n_dead + a->n_dead / 2,
                         ENCODER_EXACT, e));
    }
    encoder_set(&a->encoder, p->w_enc.w, p->b_enc.w, a->dead, a->n_dead);
    encoder_pack(&a->encoder, in->forward->team);
    return 0;
}

/* The encoder numbers the dead; from here on codes name features. */
static void name_features(struct auxk *a)
{
    for (size_t i = 0; i < a->codes.start[a->codes.n]; i++)
        a->codes.feature[i] = a->dead[a->codes.feature[i]];
}

/* Room for `need` numbers; what was there is lost. */
static int reserve(float **out, size_t *capacity, size_t need, struct err *e)
{
    if (need <= *capacity && *out != NULL)
        return 0;
    free(*out);
    *capacity = need + 1;
    *out = malloc(*capacity * sizeof **out);
    if (*out == NULL) {
        size_t bytes = *capacity * sizeof **out;
        *capacity = 0;
        return err_memory(e, "AuxK", bytes);
    }
    return 0;
}

/* Σ‖r − mean r‖² over S; 0 where it is no more than rounding, as dividing by
 * that would give the rest any weight. `left` holds −r. */
static int variance(double *out, const float *left, size_t n, size_t d,
                    struct err *e)
{
    double *sum = calloc(d, sizeof *sum);
    if (sum == NULL)
        return err_memory(e, "AuxK", d * sizeof *sum);
    double square = 0, mean_square = 0;
    for (size_t r = 0; r < n; r++) {
        square += kernels.dot_double(left + r * d, left + r * d, d);
        for (size_t j = 0; j < d; j++)
            sum[j] += (double)left[r * d + j];
    }
    for (size_t j = 0; j < d; j++)
        mean_square += sum[j] * sum[j];
    free(sum);
    double left_over = square - mean_square / (double)n;
    *out = left_over > 1e-9 * square ? left_over : 0;
    return 0;
}

/* ---- the loss and its gradients, row by row ---- */

struct rows {
    struct auxk *a;
    const struct parameters *p;
    float weight;  /* 2·α·d / Σ‖r − mean r‖² */
    double *error; /* (n) ‖r̂ − r‖² */
};

/* On entry the row of gradient is −r. */
static void explain_row(const struct rows *job, size_t r)
{
    const struct auxk *a = job->a;
    const struct codes *c = &a->codes;
    const float *w_dec = job->p->w_dec.w;
    size_t d = job->p->d, first = c->start[r], count = c->start[r + 1] - first;
    const uint32_t *feature = c->feature + first;
    float *row = a->gradient + r * d;
    kernels.add_rows(row, w_dec, feature, c->value + first, count, d);
    job->error[r] = kernels.dot_double(row, row, d);
    kernels.scale(row, job->weight, d);
    kernels.dot_rows(a->g + first, row, w_dec, feature, count, d);
}

static void explain_rows(void *ctx, size_t block, int thread)
{
    (void)thread;
    const struct rows *job = ctx;
    size_t first = block * BLOCK_ROWS;
    for (size_t r = first; r < job->a->n && r < first + BLOCK_ROWS; r++)
        explain_row(job, r);
}

static int explain(struct auxk *a, const struct parameters *p,
                   const struct auxk_input *in, double left, struct err *e)
{
    double weight = in->alpha * (double)p->d / left;
    struct rows job = {a, p, (float)(2 * weight), NULL};
    job.error = malloc(a->n * sizeof *job.error);
    if (job.error == NULL)
        return err_memory(e, "AuxK", a->n * sizeof *job.error);
    team_run(in->forward->team, explain_rows, &job,
             (a->n + BLOCK_ROWS - 1) / BLOCK_ROWS);
    a->loss = 0;
    for (size_t r = 0; r < a->n; r++)
        a->loss += weight * job.error[r];
    free(job.error);
    return 0;
}

int auxk_run(struct auxk *a, const struct parameters *p,
             const struct auxk_input *in, struct err *e)
{
    size_t d = p->d;
    a->n = 0;
    a->loss = 0;
    if (in->alpha == 0)
        return 0;
    assert(in->parts > 0);
    TRY(gather(a, p, in, e));
    size_t part = (size_t)(in->t % in->parts);
    size_t first = in->n * part / in->parts;
    size_t n = in->n * (part + 1) / in->parts - first;
    if (a->n_dead == 0 || n == 0)
        return 0;
    TRY(reserve(&a->gradient, &a->gradient_capacity, n * d, e));
    memcpy(a->gradient, in->error + first * d, n * d * sizeof(float));
    kernels.scale(a->gradient, in->unit, n * d);
    double left = 0;
    TRY(variance(&left, a->gradient, n, d, e));
    if (!(left > 0))
        return 0;
    size_t k = d / 2 > 0 ? d / 2 : 1;
    struct selection rule = {.rule = RULE_TOPK,
                             .k = a->n_dead < k ? a->n_dead : k};
    TRY(forward_run(in->forward, &a->encoder, &rule, in->centred + first * d, n,
                    &a->codes, e));
    name_features(a);
    size_t active = a->codes.start[n];
    TRY(reserve(&a->g, &a->g_capacity, active + active / 4, e));
    a->first = first;
    a->n = n;
    return explain(a, p, in, left, e);
}
