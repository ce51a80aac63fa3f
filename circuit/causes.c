/* SPDX-License-Identifier: MIT */
#include "circuit/causes.h"

#include <math.h>

#include "base/rng.h"

static struct edit of_head(size_t head, const struct gpt2_config *c,
                           enum edit_kind kind)
{
    return (struct edit){.kind = kind,
                         .layer = (int)head / c->heads,
                         .head = (int)head % c->heads,
                         .feature = -1,
                         .everywhere = true};
}

static size_t heads_of(const struct effects_job *job)
{
    return (size_t)job->model->config.layers * (size_t)job->model->config.heads;
}

/* Edits under construction. */
struct plan {
    struct edit *edit;
    struct effects_set *set;
    size_t edits, sets;
    struct arena arena;
};

static int plan_room(struct plan *p, size_t edits, size_t sets, struct err *e)
{
    TRY(arena_get(&p->arena, &p->edit, edits, sizeof *p->edit, "edits", e));
    return arena_get(&p->arena, &p->set, sets, sizeof *p->set, "edits", e);
}

static void begin_set(struct plan *p)
{
    p->set[p->sets++] = (struct effects_set){p->edits, 0};
}

static void add_edit(struct plan *p, struct edit edit)
{
    p->edit[p->edits++] = edit;
    p->set[p->sets - 1].n++;
}

/* All heads at their means but order[0..kept). */
static void add_complement(struct plan *p, const uint32_t *order, size_t kept,
                           const struct gpt2_config *c, size_t heads)
{
    begin_set(p);
    for (size_t i = kept; i < heads; i++)
        add_edit(p, of_head(order[i], c, EDIT_MEAN));
}

static int run_plan(struct effects *x, const struct plan *p,
                    const struct effects_job *job, struct err *e)
{
    struct effects_job edited = *job;
    edited.edit = p->edit;
    edited.set = p->set;
    edited.n_sets = p->sets;
    return effects_measure(x, &edited, e);
}

/* ---- causes ---- */

static bool passes(const struct effect *x, double gap,
                   const struct causes_rule *rule)
{
    return fabs(x->change) >= rule->share * fabs(gap) &&
           fabs(x->change) >= rule->errors * x->error;
}

static void judge(struct causes *c, const struct effects *x,
                  const struct causes_rule *rule, bool patched)
{
    c->clean = effects_mean(x->clean, x->n);
    c->none = effects_mean(x->edited, x->n);
    c->corrupted =
        x->corrupted != NULL ? effects_mean(x->corrupted, x->n) : (double)NAN;
    c->gap = c->clean - (x->corrupted != NULL ? c->corrupted : c->none);
    for (size_t h = 0; h < c->heads; h++) {
        struct cause *head = &c->head[h];
        head->mean = effects_change(x->edited + (1 + h) * x->n, x->clean, x->n);
        head->in_circuit = passes(&head->mean, c->gap, rule);
        if (!patched)
            continue;
        head->patch = effects_change(x->edited + (1 + c->heads + h) * x->n,
                                     x->clean, x->n);
        head->in_circuit =
            head->in_circuit || passes(&head->patch, c->gap, rule);
    }
}

static int find(struct causes *c, struct plan *p, const struct effects_job *job,
                const struct causes_rule *rule, struct err *e)
{
    const struct gpt2_config *config = &job->model->config;
    bool patched = job->corrupted != NULL;
    struct effects x;
    TRY(arena_get(&c->arena, &c->head, c->heads, sizeof *c->head, "heads", e));
    TRY(plan_room(p, 3 * c->heads, 2 * c->heads + 1, e));
    begin_set(p);
    for (size_t h = 0; h < c->heads; h++)
        add_edit(p, of_head(h, config, EDIT_MEAN));
    for (size_t h = 0; h < (patched ? 2 : 1) * c->heads; h++) {
        begin_set(p);
        add_edit(p, of_head(h % c->heads, config,
                            h < c->heads ? EDIT_MEAN : EDIT_PATCH));
    }
    TRY(run_plan(&x, p, job, e));
    judge(c, &x, rule, patched);
    effects_free(&x);
    return 0;
}

int causes_find(struct causes *c, const struct effects_job *job,
                const struct causes_rule *rule, struct err *e)
{
    *c = (struct causes){.heads = heads_of(job)};
    struct plan p = {0};
    int code = find(c, &p, job, rule, e);
    arena_free(&p.arena);
    if (code != 0)
        causes_free(c);
    return code;
}

void causes_free(struct causes *c)
{
    arena_free(&c->arena);
    *c = (struct causes){0};
}

/* ---- faithfulness ---- */

static void draw(uint32_t *order, uint64_t *room, size_t heads, uint64_t seed,
                 uint32_t lane)
{
    struct rng r = rng_at(seed, RNG_CIRCUIT, lane);
    rng_permutation(&r, room, heads);
    for (size_t h = 0; h < heads; h++)
        order[h] = (uint32_t)room[h];
}

static int plan_curve(struct plan *p, const struct faithful_point *points,
                      size_t n, const uint32_t *order, size_t draws,
                      uint64_t seed, const struct effects_job *job,
                      struct err *e)
{
    const struct gpt2_config *c = &job->model->config;
    size_t heads = heads_of(job);
    uint32_t *random;
    uint64_t *room;
    TRY(plan_room(p, ((draws + 1) * n + 1) * heads, (draws + 1) * n + 1, e));
    TRY(arena_get(&p->arena, &random, heads, sizeof *random, "heads", e));
    TRY(arena_get(&p->arena, &room, heads, sizeof *room, "heads", e));
    add_complement(p, order, 0, c, heads);
    for (size_t i = 0; i < n; i++)
        add_complement(p, order, points[i].size, c, heads);
    for (size_t k = 0; k < draws; k++) {
        draw(random, room, heads, seed, (uint32_t)(1000 + k));
        for (size_t i = 0; i < n; i++)
            add_complement(p, random, points[i].size, c, heads);
    }
    return 0;
}

static void fill_points(struct faithful_point *points, size_t n, size_t draws,
                        const struct effects *x)
{
    double clean = effects_mean(x->clean, x->n),
           none = effects_mean(x->edited, x->n);
    for (size_t i = 0; i < n; i++) {
        double sum = 0, square = 0, k = (double)draws;
        points[i].kept =
            (effects_mean(x->edited + (1 + i) * x->n, x->n) - none) /
            (clean - none);
        for (size_t d = 0; d < draws; d++) {
            const double *edited = x->edited + (1 + (d + 1) * n + i) * x->n;
            double f = (effects_mean(edited, x->n) - none) / (clean - none);
            sum += f;
            square += f * f;
        }
        points[i].random = sum / k;
        points[i].random_sd =
            draws > 1 ? sqrt(fmax(0, (square - sum * sum / k) / (k - 1)))
                      : (double)NAN;
    }
}

int causes_faithful(struct faithful_point *points, size_t n,
                    const uint32_t *order, size_t draws, uint64_t seed,
                    const struct effects_job *job, struct err *e)
{
    struct plan p = {0};
    struct effects x = {0};
    int code = plan_curve(&p, points, n, order, draws, seed, job, e);
    if (code == 0)
        code = run_plan(&x, &p, job, e);
    if (code == 0)
        fill_points(points, n, draws, &x);
    effects_free(&x);
    arena_free(&p.arena);
    return code;
}
