/* SPDX-License-Identifier: MIT */
#include "sae/pass.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the guess ---- */

float pass_guessed(const struct pass *p, size_t r)
{
    if (p->guess == NULL)
        return 0;
    float guess = p->guess->ratio * p->f->norms[r];
    return guess > 0 ? guess : 0;
}

static void guess_block(void *ctx, size_t block, int thread)
{
    (void)thread;
    const struct pass *p = ctx;
    struct forward *f = p->f;
    size_t d = p->enc->d;
    for (size_t r = pass_row(p, block); r < pass_row(p, block + 1); r++) {
        const float *x = p->x + r * d;
        if (p->guess != NULL)
            f->norms[r] = sqrtf(kernels.dot(x, x, d));
        f->floors[r] = pass_guessed(p, r);
    }
}

void pass_guess(struct pass *p)
{
    team_run(p->f->team, guess_block, p, p->f->cut.blocks);
    p->scan.floors = p->f->floors;
}

/* ---- what rows teach ---- */

/* A row with too few positive h teaches to guess nothing. */
static float row_ratio(const struct pass *p, size_t r)
{
    const struct codes *c = p->out;
    const struct forward *f = p->f;
    if (c->start[r + 1] - c->start[r] < p->rule->k)
        return 0;
    float last = c->value[c->start[r]];
    for (size_t i = c->start[r]; i < c->start[r + 1]; i++)
        last = c->value[i] < last ? c->value[i] : last;
    /* Certain is a margin less. */
    float ratio = (last - f->rows.margin[r]) / f->norms[r];
    return ratio > 0 ? ratio : 0;
}

static void learn_block(void *ctx, size_t block, int thread)
{
    (void)thread;
    const struct pass *p = ctx;
    for (size_t r = pass_row(p, block); r < pass_row(p, block + 1); r++)
        p->f->ratios.item[r] =
            (struct hit){.value = row_ratio(p, r), .row = (uint32_t)r};
}

/* To look at a row again costs as much as some thousand hits, which a guess at
 * the least of all rows would give each: one row in 128 may be below, and the
 * next batch's a little lower. Batches that take turns in being high and low
 * must not be looked at twice every other time: the lower of two counts. */
int pass_learn(struct pass *p, struct err *e)
{
    enum { ROWS_BELOW = 128 };
    static const float headroom = 0.97f;
    struct forward *f = p->f;
    struct guess *guess = p->guess;
    size_t n = f->rows.n;
    if (guess == NULL || n < ROWS_BELOW)
        return 0;
    f->ratios.n = 0;
    float now;
    if (!hits_reserve(&f->ratios, n))
        return err_memory(e, "floors", n * sizeof *f->ratios.item);
    team_run(f->team, learn_block, p, f->cut.blocks);
    if (!hits_kth(&now, f->ratios.item, n, n - n / ROWS_BELOW,
                  &f->merging[0].ranking))
        return err_memory(e, "floors", n * sizeof *f->ratios.item);
    now *= headroom;
    guess->ratio = guess->last > 0 && guess->last < now ? guess->last : now;
    guess->last = now;
    return 0;
}

/* ---- rows guessed too high ---- */

void pass_again_free(struct forward_again *again)
{
    if (again->forward != NULL)
        forward_free(again->forward);
    free(again->forward);
    codes_free(&again->codes);
    free(again->row);
    free(again->x);
    *again = (struct forward_again){0};
}

/* A forward of its own, and room for n rows of d. */
static int have_again(struct forward_again *again, const struct team *team,
                      size_t n, size_t d, struct err *e)
{
    if (again->forward == NULL) {
        again->forward = calloc(1, sizeof *again->forward);
        if (again->forward == NULL)
            return err_memory(e, "encoder scratch", sizeof *again->forward);
    }
    if (again->forward->team == NULL)
        TRY(forward_init(again->forward, team, e));
    if (n * d <= again->n_x)
        return 0;
    free(again->x);
    again->n_x = 0;
    again->x = malloc(n * d * sizeof *again->x);
    if (again->x == NULL)
        return err_memory(e, "rows guessed too high", n * d * sizeof(float));
    again->n_x = n * d;
    return 0;
}

int pass_again(struct pass *p, struct err *e)
{
    struct forward *f = p->f;
    struct forward_again *again = &f->again;
    size_t d = p->enc->d, n = 0;
    for (size_t r = 0; r < f->rows.n; r++)
        n += f->doubt[r];
    if (n == 0)
        return 0;
    TRY(have_again(again, f->team, n, d, e));
    for (size_t r = 0; r < f->rows.n; r++)
        if (f->doubt[r]) {
            again->row[again->n] = (uint32_t)r;
            memcpy(again->x + again->n++ * d, p->x + r * d, d * sizeof *p->x);
        }
    struct selection rule = {.rule = RULE_TOPK, .k = p->rule->k};
    TRY(forward_run(again->forward, p->enc, &rule, again->x, n, &again->codes,
                    e));
    f->candidates += again->forward->candidates;
    f->seconds += again->forward->seconds;
    return 0;
}
