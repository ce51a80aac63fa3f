/* SPDX-License-Identifier: MIT */
#include "bench/peak.h"

#include "base/arena.h"
#include "base/clock.h"

enum { TRIES = 5 };

struct spin {
    const struct product *product;
    double flop, done[1024]; /* per item */
};

static void spin_item(void *ctx, size_t item, int thread)
{
    (void)thread;
    struct spin *s = ctx;
    s->done[item] = s->product->peak(s->flop);
}

/* flop/s of one try. */
static double spin(struct spin *s, const struct team *team)
{
    double begun = clock_seconds(), sum = 0;
    team_run(team, spin_item, s, (size_t)team->threads);
    double seconds = clock_seconds() - begun;
    for (int i = 0; i < team->threads; i++)
        sum += s->done[i];
    return sum / seconds;
}

static double product_peak(const struct product *product,
                           const struct team *team)
{
    if (product->run == NULL)
        return 0;
    struct spin s = {.product = product, .flop = 1e8};
    double best = spin(&s, team);
    s.flop = 0.1 * best / team->threads;
    for (int i = 0; i < TRIES; i++) {
        double rate = spin(&s, team);
        best = rate > best ? rate : best;
    }
    return best;
}

/* 16 million floats each, 64 MB: beyond the outer cache of most. */
enum { TRIAD = 1 << 24, PIECE = 1 << 16 };

struct triad {
    float *a, *b, *c;
};

static void triad_piece(void *ctx, size_t item, int thread)
{
    (void)thread;
    const struct triad *t = ctx;
    float *restrict a = t->a + item * PIECE;
    const float *restrict b = t->b + item * PIECE;
    const float *restrict c = t->c + item * PIECE;
    for (size_t i = 0; i < PIECE; i++)
        a[i] = b[i] + 3 * c[i];
}

static int memory_peak(double *out, const struct team *team, struct err *e)
{
    struct arena arena = {0};
    struct triad t;
    int code = arena_get(&arena, &t.a, TRIAD, sizeof(float), "triad", e);
    if (code == 0)
        code = arena_get(&arena, &t.b, TRIAD, sizeof(float), "triad", e);
    if (code == 0)
        code = arena_get(&arena, &t.c, TRIAD, sizeof(float), "triad", e);
    *out = 0;
    for (int i = 0; code == 0 && i < TRIES; i++) {
        double begun = clock_seconds();
        team_run(team, triad_piece, &t, TRIAD / PIECE);
        double rate = 3.0 * TRIAD * sizeof(float) / (clock_seconds() - begun);
        *out = rate > *out ? rate : *out;
    }
    arena_free(&arena);
    return code;
}

int peak_measure(struct peak *out, const struct team *team, struct err *e)
{
    out->exact = product_peak(&kernels.exact, team);
    out->coarse = product_peak(&kernels.coarse, team);
    return memory_peak(&out->memory, team, e);
}
