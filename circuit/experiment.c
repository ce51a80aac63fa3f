/* SPDX-License-Identifier: MIT */
#include "circuit/experiment.h"

#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/progress.h"
#include "base/rng.h"

/* Random orders that chance is a mean over, and the shuffle that is the first,
 * behind all that are shown. */
enum { CHANCES = 20, CHANCE = 1 << 20 };

struct running {
    struct experiment *x;
    const struct task *t;
    const struct experiment_options *o;
    const struct team *team;
    float *train;       /* (examples, heads, d) that train */
    uint64_t *order;    /* (n) */
    int8_t *label;      /* (rows) */
    int32_t *answer_of; /* (n) */
    int32_t *answer;    /* (rows) */
    double *bits;       /* (heads) */
    double *chance;     /* (heads) */
    size_t features;
    struct arena arena;
};

/* ---- one seed ---- */

static int train(struct shared *s, struct running *r,
                 struct experiment_seed *seed, uint64_t number, struct err *e)
{
    const struct task *t = r->t;
    size_t row = t->heads * t->d;
    struct rng rng = rng_at(number, RNG_CIRCUIT, 0);
    rng_permutation(&rng, r->order, t->n);
    for (size_t i = 0; i < r->o->examples; i++)
        memcpy(r->train + i * row, t->x + (size_t)r->order[i] * row,
               row * sizeof *r->train);
    TRY(shared_init(s, t->d, &r->o->sae, number, e));
    return shared_train(s, &seed->figures, r->train, r->o->examples * t->heads,
                        &r->o->sae, r->team, e);
}

void experiment_shuffle(uint64_t *order, size_t n, uint64_t seed, size_t k)
{
    struct rng rng = rng_at(seed, RNG_CIRCUIT, (uint32_t)(2 + k));
    rng_permutation(&rng, order, n);
}

/* Labels of rows: example i has that of the i-th of an order, or its own. */
static void label_rows(struct running *r, const uint64_t *order)
{
    const struct experiment *x = r->x;
    for (size_t i = 0; i < x->rows; i++)
        r->label[i] =
            r->t->label[order == NULL ? x->example[i] : order[x->example[i]]];
}

/* Answers of rows: positives have those of the positives as an order has them,
 * or their own, negatives none. */
static void answer_rows(struct running *r, const uint64_t *order)
{
    const struct experiment *x = r->x;
    const struct task *t = r->t;
    size_t next = 0;
    for (size_t i = 0; i < t->n; i++) {
        size_t from = i;
        r->answer_of[i] = -1;
        if (t->label[i] == 0)
            continue;
        for (; order != NULL && t->label[order[next]] == 0;)
            next++;
        if (order != NULL)
            from = (size_t)order[next++];
        r->answer_of[i] = t->answer[from];
    }
    for (size_t i = 0; i < x->rows; i++)
        r->answer[i] = r->answer_of[x->example[i]];
}

/* What codes tell of answers by chance, into r->chance. */
static int measure_chance(struct running *r, const struct coded *c,
                          uint64_t number, struct err *e)
{
    memset(r->chance, 0, c->heads * sizeof *r->chance);
    for (size_t k = 0; k < CHANCES; k++) {
        experiment_shuffle(r->order, r->t->n, number, CHANCE + k);
        answer_rows(r, r->order);
        TRY(scores_information(r->bits, c, r->answer, e));
        for (size_t h = 0; h < c->heads; h++)
            r->chance[h] += r->bits[h] / CHANCES;
    }
    return 0;
}

/* With labels, or answers, in an order, or their own. */
static int score_nodes(double *score, struct running *r, const struct coded *c,
                       const uint64_t *order, struct err *e)
{
    if (r->o->score != SCORES_ANSWER) {
        label_rows(r, order);
        return scores_node(score, c, r->o->score == SCORES_SHARE, e);
    }
    answer_rows(r, order);
    TRY(scores_information(score, c, r->answer, e));
    for (size_t h = 0; h < c->heads; h++)
        score[h] -= r->chance[h];
    return 0;
}

static int score_shuffled(struct running *r, struct experiment_seed *seed,
                          const struct coded *c, uint64_t number, struct err *e)
{
    for (size_t k = 0; k < r->o->shuffles; k++) {
        experiment_shuffle(r->order, r->t->n, number, k);
        TRY(score_nodes(seed->shuffled + k * c->heads, r, c, r->order, e));
    }
    return 0;
}

/* Whether a head has two codes, or one and none. */
static bool any_differ(const struct coded *c)
{
    for (size_t i = c->heads; i < c->n * c->heads; i++)
        if (c->code[i] != c->code[i % c->heads])
            return true;
    return false;
}

static int check_codes(struct experiment_seed *seed, const struct coded *c,
                       struct err *e)
{
    size_t none = 0, all = c->n * c->heads;
    for (size_t i = 0; i < all; i++)
        none += c->code[i] < 0;
    seed->none = (double)none / (double)all;
    if (none == all)
        return err_set(e, ERR_INPUT,
                       "no head of any example has a code: the SAE has no "
                       "active feature; try a smaller --lambda");
    if (!any_differ(c))
        return err_set(e, ERR_INPUT,
                       "every head has one code for all examples, so that "
                       "nothing tells positives from negatives; are the "
                       "prompts the same?");
    return 0;
}

static int score(struct running *r, struct experiment_seed *seed,
                 uint64_t number, struct err *e)
{
    const struct coded c = {.n = r->x->rows,
                            .heads = r->t->heads,
                            .features = r->features,
                            .code = seed->code,
                            .label = r->label};
    TRY(check_codes(seed, &c, e));
    if (r->o->score == SCORES_ANSWER)
        TRY(measure_chance(r, &c, number, e));
    TRY(score_nodes(seed->node, r, &c, NULL, e));
    label_rows(r, NULL);
    TRY(scores_edge(seed->edge, &c, r->team, e));
    TRY(scores_from_edges(seed->edges, seed->edge, c.heads, e));
    return score_shuffled(r, seed, &c, number, e);
}

static int get_seed_room(struct running *r, struct experiment_seed *s,
                         struct err *e)
{
    const struct task *t = r->t;
    struct arena *a = &r->x->arena;
    TRY(arena_get(a, &s->node, t->heads, sizeof *s->node, "scores", e));
    TRY(arena_get(a, &s->edges, t->heads, sizeof *s->edges, "scores", e));
    TRY(arena_get(a, &s->shuffled, r->o->shuffles * t->heads,
                  sizeof *s->shuffled, "scores", e));
    TRY(arena_get(a, &s->edge, t->heads * t->heads, sizeof *s->edge, "edges",
                  e));
    return arena_get(a, &s->code, r->x->rows * t->heads, sizeof *s->code,
                     "codes", e);
}

static int run_seed(struct running *r, size_t i, struct err *e)
{
    struct experiment_seed *seed = &r->x->seed[i];
    uint64_t number = r->o->seed + i;
    struct shared s = {0};
    TRY(get_seed_room(r, seed, e));
    int code = train(&s, r, seed, number, e);
    if (code == 0)
        code = shared_codes(&s, seed->code, r->t->x, r->t->n * r->t->heads,
                            r->team, e);
    shared_free(&s);
    return code != 0 ? code : score(r, seed, number, e);
}

/* ---- all of it ---- */

static void take_means(struct experiment *x)
{
    double n = (double)x->seeds;
    for (size_t i = 0; i < x->seeds; i++)
        for (size_t h = 0; h < x->task->heads; h++) {
            x->node[h] += x->seed[i].node[h] / n;
            x->edges[h] += x->seed[i].edges[h] / n;
        }
}

/* At least two answers are needed for one to tell anything. */
static int check_answers(const struct task *t, struct err *e)
{
    int32_t first = -1;
    for (size_t i = 0; i < t->n; i++) {
        if (t->label[i] == 0 || t->answer[i] < 0)
            continue;
        if (first >= 0 && t->answer[i] != first)
            return 0;
        first = t->answer[i];
    }
    return err_set(e, ERR_INPUT,
                   "--score answer needs positive prompts with different "
                   "answers; here %s",
                   first < 0 ? "none has an answer" : "all have the same");
}

static int get_answer_room(struct running *r, struct err *e)
{
    size_t heads = r->t->heads;
    if (r->o->score != SCORES_ANSWER)
        return 0;
    TRY(check_answers(r->t, e));
    TRY(arena_get(&r->arena, &r->answer_of, r->t->n, sizeof *r->answer_of,
                  "answers", e));
    TRY(arena_get(&r->arena, &r->answer, r->x->rows, sizeof *r->answer,
                  "answers", e));
    TRY(arena_get(&r->arena, &r->bits, heads, sizeof *r->bits, "scores", e));
    return arena_get(&r->arena, &r->chance, heads, sizeof *r->chance, "scores",
                     e);
}

static int get_room(struct running *r, struct err *e)
{
    struct experiment *x = r->x;
    size_t heads = r->t->heads;
    TRY(arena_get(&x->arena, &x->seed, x->seeds, sizeof *x->seed, "seeds", e));
    TRY(arena_get(&x->arena, &x->node, heads, sizeof *x->node, "scores", e));
    TRY(arena_get(&x->arena, &x->edges, heads, sizeof *x->edges, "scores", e));
    TRY(arena_get(&r->arena, &r->order, r->t->n, sizeof *r->order, "examples",
                  e));
    TRY(arena_get(&r->arena, &r->label, x->rows, sizeof *r->label, "labels",
                  e));
    return get_answer_room(r, e);
}

/* An example has one row. */
static int make_rows(struct experiment *x, struct err *e)
{
    uint32_t *example;
    x->rows = x->task->n;
    TRY(arena_get(&x->arena, &example, x->rows, sizeof *example, "examples",
                  e));
    for (size_t i = 0; i < x->rows; i++)
        example[i] = (uint32_t)i;
    x->example = example;
    return 0;
}

static int run_all(struct running *r, struct err *e)
{
    struct experiment *x = r->x;
    const struct task *t = r->t;
    struct progress bar;
    if (r->o->examples == 0 || r->o->examples > t->n)
        return err_set(e, ERR_INPUT,
                       "%zu examples are to train, but the task has %zu",
                       r->o->examples, t->n);
    TRY(make_rows(x, e));
    TRY(get_room(r, e));
    TRY(arena_get(&r->arena, &r->train, r->o->examples * t->heads * t->d,
                  sizeof *r->train, "examples", e));
    progress_begin(&bar, "circuit", "seeds", 0, x->seeds);
    int code = 0;
    for (size_t i = 0; code == 0 && i < x->seeds; i++) {
        code = interrupt_requested()
                   ? err_set(e, ERR_INTERRUPTED, "interrupted")
                   : run_seed(r, i, e);
        progress_set(&bar, i + 1, NULL);
    }
    progress_end(&bar);
    if (code == 0)
        take_means(x);
    return code;
}

static int score_codes(struct running *r, const struct experiment_codes *c,
                       struct err *e)
{
    struct experiment *x = r->x;
    x->rows = c->rows;
    x->example = c->example;
    TRY(get_room(r, e));
    struct experiment_seed *seed = x->seed;
    seed->figures = (struct shared_figures){NAN, NAN, NAN};
    TRY(get_seed_room(r, seed, e));
    memcpy(seed->code, c->code, c->rows * r->t->heads * sizeof *c->code);
    TRY(score(r, seed, r->o->seed, e));
    take_means(x);
    return 0;
}

/* Frees what was for the run, and on failure everything. */
static int end(struct running *r, int code)
{
    arena_free(&r->arena);
    if (code != 0)
        experiment_free(r->x);
    return code;
}

int experiment_run(struct experiment *x, const struct task *t,
                   const struct experiment_options *o, const struct team *team,
                   struct err *e)
{
    *x = (struct experiment){
        .task = t, .seeds = o->seeds, .shuffles = o->shuffles};
    struct running r = {
        .x = x, .t = t, .o = o, .team = team, .features = o->sae.features};
    return end(&r, run_all(&r, e));
}

int experiment_of_codes(struct experiment *x, const struct task *t,
                        const struct experiment_codes *codes,
                        const struct experiment_options *o,
                        const struct team *team, struct err *e)
{
    *x = (struct experiment){.task = t, .seeds = 1, .shuffles = o->shuffles};
    struct running r = {
        .x = x, .t = t, .o = o, .team = team, .features = codes->features};
    return end(&r, score_codes(&r, codes, e));
}

void experiment_free(struct experiment *x)
{
    arena_free(&x->arena);
    *x = (struct experiment){0};
}
