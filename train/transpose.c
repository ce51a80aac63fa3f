/* SPDX-License-Identifier: MIT */
#include "train/transpose.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Rows are counted and placed in so many parts side by side, each with counters
 * of its own. */
enum { PARTS = 8 };

void transposed_free(struct transposed *t)
{
    free(t->start);
    free(t->row);
    free(t->f);
    free(t->g);
    free(t->side);
    free(t->place);
    *t = (struct transposed){0};
}

static int reserve(struct transposed *t, size_t m, size_t n, bool side,
                   struct err *e)
{
    if (t->start == NULL || t->m != m) {
        free(t->start);
        free(t->place);
        t->m = m;
        t->start = malloc((m + 1) * sizeof *t->start);
        t->place = malloc((PARTS * m + 1) * sizeof *t->place);
        if (t->start == NULL || t->place == NULL)
            return err_memory(e, "codes", PARTS * m * sizeof *t->place);
    }
    if (n > t->capacity || t->row == NULL) {
        size_t capacity = n + n / 4 + 1;
        free(t->row);
        free(t->f);
        free(t->g);
        free(t->side);
        t->side = NULL;
        t->capacity = 0;
        t->row = malloc(capacity * sizeof *t->row);
        t->f = malloc(capacity * sizeof *t->f);
        t->g = malloc(capacity * sizeof *t->g);
        if (t->row == NULL || t->f == NULL || t->g == NULL)
            return err_memory(e, "codes", capacity * 12);
        t->capacity = capacity;
    }
    if (side && t->side == NULL) {
        t->side = malloc(t->capacity * sizeof *t->side);
        if (t->side == NULL)
            return err_memory(e, "codes", t->capacity * sizeof *t->side);
    }
    return 0;
}

struct sorting {
    struct transposed *t;
    const struct codes *codes;
    const float *g, *side;
};

static size_t part_begin(const struct codes *c, size_t part)
{
    return c->n * part / PARTS;
}

static void count_part(void *ctx, size_t part, int thread)
{
    (void)thread;
    const struct sorting *s = ctx;
    const struct codes *c = s->codes;
    uint32_t *count = s->t->place + part * s->t->m;
    memset(count, 0, s->t->m * sizeof *count);
    size_t end = c->start[part_begin(c, part + 1)];
    for (size_t i = c->start[part_begin(c, part)]; i < end; i++)
        count[c->feature[i]]++;
}

/* A feature's entries stand part by part: counts become places. */
static void assign_places(struct transposed *t)
{
    uint32_t at = 0;
    for (size_t i = 0; i < t->m; i++) {
        t->start[i] = at;
        for (size_t part = 0; part < PARTS; part++) {
            uint32_t count = t->place[part * t->m + i];
            t->place[part * t->m + i] = at;
            at += count;
        }
    }
    t->start[t->m] = at;
}

static void place_part(void *ctx, size_t part, int thread)
{
    (void)thread;
    const struct sorting *s = ctx;
    const struct codes *c = s->codes;
    struct transposed *t = s->t;
    uint32_t *place = t->place + part * t->m;
    for (size_t r = part_begin(c, part); r < part_begin(c, part + 1); r++)
        for (size_t i = c->start[r]; i < c->start[r + 1]; i++) {
            size_t at = place[c->feature[i]]++;
            t->row[at] = (uint32_t)r;
            t->f[at] = c->value[i];
            t->g[at] = s->g[i];
            if (s->side != NULL)
                t->side[at] = s->side[i];
        }
}

int transpose(struct transposed *t, const struct codes *codes, const float *g,
              const float *side, size_t m, const struct team *team,
              struct err *e)
{
    struct sorting s = {t, codes, g, side};
    TRY(reserve(t, m, codes->start[codes->n], side != NULL, e));
    team_run(team, count_part, &s, PARTS);
    assign_places(t);
    team_run(team, place_part, &s, PARTS);
    return 0;
}
