/* SPDX-License-Identifier: MIT */
#include "sae/metrics.h"

#include <math.h>
#include <string.h>

#include "kernels/kernels.h"

enum { BLOCK = 128 }; /* rows of one item of work */

int metrics_init(struct metrics *q, size_t d, size_t m, struct err *e)
{
    *q = (struct metrics){.d = d, .m = m};
    TRY(arena_get(&q->arena, &q->sum, d, sizeof *q->sum, "metrics", e));
    return arena_get(&q->arena, &q->fires, m, sizeof *q->fires, "metrics", e);
}

void metrics_free(struct metrics *q)
{
    arena_free(&q->arena);
    arena_free(&q->scratch);
    *q = (struct metrics){0};
}

struct job {
    struct metrics *q;
    const struct sae *s;
    const float *x;
    const struct codes *c;
    float *decoded; /* (threads, d) */
};

static void measure_block(void *ctx, size_t block, int thread)
{
    const struct job *j = ctx;
    size_t d = j->q->d, first = block * BLOCK;
    float *decoded = j->decoded + (size_t)thread * d;
    for (size_t r = first; r < j->c->n && r < first + BLOCK; r++) {
        const float *x = j->x + r * d;
        sae_decode_row(j->s, j->c, r, decoded);
        kernels.subtract(decoded, decoded, x, d);
        j->q->row_error[r] = kernels.dot_double(decoded, decoded, d);
        j->q->row_sq[r] = kernels.dot_double(x, x, d);
    }
}

static int have_scratch(struct metrics *q, size_t rows, struct err *e)
{
    if (rows <= q->rows_capacity)
        return 0;
    arena_free(&q->scratch);
    q->rows_capacity = 0;
    TRY(arena_get(&q->scratch, &q->row_sq, rows, sizeof(double), "metrics", e));
    TRY(arena_get(&q->scratch, &q->row_error, rows, sizeof(double), "metrics",
                  e));
    q->rows_capacity = rows;
    return 0;
}

int metrics_add(struct metrics *q, const struct sae *s, const struct team *team,
                const float *x, const struct codes *c, struct err *e)
{
    struct arena temporary = {0};
    struct job j = {q, s, x, c, NULL};
    TRY(have_scratch(q, c->n, e));
    TRY(arena_get(&temporary, &j.decoded, (size_t)team->threads * q->d,
                  sizeof(float), "metrics", e));
    team_run(team, measure_block, &j, (c->n + BLOCK - 1) / BLOCK);
    arena_free(&temporary);
    for (size_t r = 0; r < c->n; r++) {
        q->error_sq += q->row_error[r];
        q->sum_sq += q->row_sq[r];
        for (size_t i = 0; i < q->d; i++)
            q->sum[i] += (double)x[r * q->d + i];
    }
    q->rows += c->n;
    q->active += c->start[c->n];
    for (size_t i = 0; i < c->start[c->n]; i++)
        q->fires[c->feature[i]]++;
    return 0;
}

double metrics_fvu(const struct metrics *q)
{
    if (q->rows == 0)
        return (double)NAN;
    double mean_sq = 0;
    for (size_t i = 0; i < q->d; i++)
        mean_sq += q->sum[i] * q->sum[i];
    double variance = q->sum_sq - mean_sq / (double)q->rows;
    return variance > 0 ? q->error_sq / variance : (double)NAN;
}

double metrics_l0(const struct metrics *q)
{
    return q->rows == 0 ? 0 : (double)q->active / (double)q->rows;
}

size_t metrics_dead(const struct metrics *q)
{
    size_t dead = 0;
    for (size_t i = 0; i < q->m; i++)
        dead += q->fires[i] == 0;
    return dead;
}
