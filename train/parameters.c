/* SPDX-License-Identifier: MIT */
#include "train/parameters.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/kernels.h"

static int get(struct parameters *p, struct weight *out, size_t n,
               const char *what, struct err *e)
{
    TRY(arena_get(&p->arena, &out->w, n, sizeof(float), what, e));
    TRY(arena_get(&p->arena, &out->m, n, sizeof(float), what, e));
    return arena_get(&p->arena, &out->v, n, sizeof(float), what, e);
}

int parameters_init(struct parameters *p, size_t d, size_t m, struct err *e)
{
    *p = (struct parameters){.d = d, .m = m};
    TRY(get(p, &p->w_enc, d * m, "W_enc and its moments", e));
    TRY(get(p, &p->w_dec, d * m, "W_dec and its moments", e));
    TRY(get(p, &p->b_enc, m, "b_enc", e));
    return get(p, &p->b_dec, d, "b_dec", e);
}

int parameters_add_threshold(struct parameters *p, struct err *e)
{
    return get(p, &p->threshold, p->m, "thresholds", e);
}

int parameters_add_gate(struct parameters *p, struct err *e)
{
    TRY(get(p, &p->r_mag, p->m, "r_mag", e));
    return get(p, &p->b_mag, p->m, "b_mag", e);
}

void parameters_free(struct parameters *p)
{
    arena_free(&p->arena);
    *p = (struct parameters){0};
}

struct drawing {
    struct parameters *p;
    uint64_t seed;
};

static void draw_sphere(float *row, size_t d, struct rng r)
{
    double length = 0;
    while (length == 0) {
        for (size_t j = 0; j < d; j++)
            row[j] = rng_normal(&r);
        length = sqrt(kernels.dot_double(row, row, d));
    }
    kernels.scale(row, (float)(1 / length), d);
}

static void draw_row(void *ctx, size_t i, int thread)
{
    (void)thread;
    const struct drawing *job = ctx;
    size_t d = job->p->d;
    float *row = job->p->w_dec.w + i * d;
    draw_sphere(row, d, rng_at(job->seed, RNG_INIT, (uint32_t)i));
    memcpy(job->p->w_enc.w + i * d, row, d * sizeof *row);
}

void parameters_draw(struct parameters *p, uint64_t seed,
                     const struct team *team)
{
    struct drawing job = {p, seed};
    team_run(team, draw_row, &job, p->m);
}

static void draw_encoder_row(void *ctx, size_t i, int thread)
{
    (void)thread;
    const struct drawing *job = ctx;
    size_t d = job->p->d;
    draw_sphere(job->p->w_enc.w + i * d, d,
                rng_at(job->seed, RNG_INIT, (uint32_t)(job->p->m + i)));
}

void parameters_draw_encoder(struct parameters *p, uint64_t seed,
                             const struct team *team)
{
    struct drawing job = {p, seed};
    team_run(team, draw_encoder_row, &job, p->m);
}
