/* SPDX-License-Identifier: MIT */
#include "circuit/controls.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

/* The norm for head h; sum (2, d). */
static double difference(const struct task *t, const int8_t *label, size_t h,
                         double *sum)
{
    double n[2] = {(double)(t->n - t->positives), (double)t->positives};
    double square = 0;
    memset(sum, 0, 2 * t->d * sizeof *sum);
    for (size_t i = 0; i < t->n; i++) {
        const float *x = t->x + (i * t->heads + h) * t->d;
        double *to = sum + (label[i] == 1 ? t->d : 0);
        for (size_t j = 0; j < t->d; j++)
            to[j] += (double)x[j];
    }
    for (size_t j = 0; j < t->d; j++) {
        double off = sum[t->d + j] / n[1] - sum[j] / n[0];
        square += off * off;
    }
    return sqrt(square);
}

int controls_mean_difference(double *score, const struct task *t,
                             const int8_t *label, struct err *e)
{
    double *sum = malloc(2 * t->d * sizeof *sum);
    if (sum == NULL)
        return err_memory(e, "sums", 2 * t->d * sizeof *sum);
    for (size_t h = 0; h < t->heads; h++)
        score[h] = difference(t, label, h, sum);
    free(sum);
    return 0;
}

/* ---- answers ---- */

struct answered {
    int32_t answer;
    size_t example;
};

static int by_answer(const void *left, const void *right)
{
    const struct answered *a = left, *b = right;
    if (a->answer != b->answer)
        return a->answer < b->answer ? -1 : 1;
    return (a->example > b->example) - (a->example < b->example);
}

/* Of number j of head h, added to *between and *total. Sums are taken from the
 * first example's number on, as all may lie far from 0. */
static void add_variance(double *between, double *total, const struct task *t,
                         const struct answered *list, size_t n, size_t at)
{
    size_t stride = t->heads * t->d;
    double base = (double)t->x[list[0].example * stride + at];
    double sum = 0, square = 0, groups = 0;
    for (size_t i = 0, end; i < n; i = end) {
        double own = 0;
        for (end = i; end < n && list[end].answer == list[i].answer; end++) {
            double v = (double)t->x[list[end].example * stride + at] - base;
            own += v;
            square += v * v;
        }
        sum += own;
        groups += own * own / (double)(end - i);
    }
    *between += groups - sum * sum / (double)n;
    *total += square - sum * sum / (double)n;
}

int controls_answer_share(double *score, const struct task *t, struct err *e)
{
    size_t n = 0;
    struct answered *list = malloc((t->n + 1) * sizeof *list);
    if (list == NULL)
        return err_memory(e, "answers", t->n * sizeof *list);
    for (size_t i = 0; i < t->n; i++)
        if (t->label[i] == 1 && t->answer[i] >= 0)
            list[n++] = (struct answered){t->answer[i], i};
    qsort(list, n, sizeof *list, by_answer);
    for (size_t h = 0; h < t->heads; h++) {
        double between = 0, total = 0;
        for (size_t j = 0; n > 0 && j < t->d; j++)
            add_variance(&between, &total, t, list, n, h * t->d + j);
        score[h] = n == 0 ? (double)NAN : total > 0 ? between / total : 0;
    }
    free(list);
    return 0;
}

/* ---- the probe ---- */

enum { STEPS = 200 };

struct probe {
    const struct task *t;
    const bool *trains; /* (n) */
    double *score;
    double *room; /* (threads, room of one) */
    size_t room_of_one;
};

/* One head's standardised vectors and the weights on them. */
struct fitting {
    size_t d;
    double *x;     /* (n, d) */
    double *w;     /* (d) */
    double *g;     /* (d) */
    double *mean;  /* (d) */
    double *scale; /* (d) 1 / sd */
    double bias;
};

static void standardise(struct fitting *f, const struct probe *p, size_t h)
{
    const struct task *t = p->t;
    double n = 0;
    memset(f->mean, 0, f->d * sizeof *f->mean);
    memset(f->scale, 0, f->d * sizeof *f->scale);
    for (size_t i = 0; i < t->n; i++) {
        const float *x = t->x + (i * t->heads + h) * t->d;
        n += p->trains[i];
        for (size_t j = 0; p->trains[i] && j < f->d; j++)
            f->mean[j] += (double)x[j];
    }
    for (size_t j = 0; j < f->d; j++)
        f->mean[j] /= n;
    for (size_t i = 0; i < t->n; i++) {
        const float *x = t->x + (i * t->heads + h) * t->d;
        for (size_t j = 0; p->trains[i] && j < f->d; j++)
            f->scale[j] +=
                ((double)x[j] - f->mean[j]) * ((double)x[j] - f->mean[j]);
    }
    for (size_t j = 0; j < f->d; j++)
        f->scale[j] = f->scale[j] > 0 ? 1 / sqrt(f->scale[j] / n) : 0;
    for (size_t i = 0; i < t->n; i++) {
        const float *x = t->x + (i * t->heads + h) * t->d;
        for (size_t j = 0; j < f->d; j++)
            f->x[i * f->d + j] = ((double)x[j] - f->mean[j]) * f->scale[j];
    }
}

static double logit(const struct fitting *f, size_t i)
{
    double sum = f->bias;
    for (size_t j = 0; j < f->d; j++)
        sum += f->w[j] * f->x[i * f->d + j];
    return sum;
}

/* Steps of 1/L, L a bound of the loss's curvature: a quarter of the mean
 * squared norm of a row, its bias and the penalty. */
static void fit(struct fitting *f, const struct probe *p)
{
    const struct task *t = p->t;
    double n = 0, square = 0;
    for (size_t i = 0; i < t->n; i++)
        for (size_t j = 0; p->trains[i] && j < f->d; j++)
            square += f->x[i * f->d + j] * f->x[i * f->d + j];
    for (size_t i = 0; i < t->n; i++)
        n += p->trains[i];
    double penalty = 1 / n, rate = 1 / (0.25 * (square / n + 1) + penalty);
    memset(f->w, 0, f->d * sizeof *f->w);
    f->bias = 0;
    for (int s = 0; s < STEPS; s++) {
        double g_bias = 0, norm = 0;
        for (size_t j = 0; j < f->d; j++)
            f->g[j] = penalty * f->w[j];
        for (size_t i = 0; i < t->n; i++) {
            if (!p->trains[i])
                continue;
            double off = 1 / (1 + exp(-logit(f, i))) - t->label[i];
            g_bias += off / n;
            for (size_t j = 0; j < f->d; j++)
                f->g[j] += off / n * f->x[i * f->d + j];
        }
        for (size_t j = 0; j < f->d; j++) {
            f->w[j] -= rate * f->g[j];
            norm += f->g[j] * f->g[j];
        }
        f->bias -= rate * g_bias;
        if (norm + g_bias * g_bias < 1e-10)
            return;
    }
}

static void probe_head(void *ctx, size_t h, int thread)
{
    const struct probe *p = ctx;
    const struct task *t = p->t;
    double *room = p->room + (size_t)thread * p->room_of_one;
    struct fitting f = {.d = t->d,
                        .x = room,
                        .w = room + t->n * t->d,
                        .g = room + (t->n + 1) * t->d,
                        .mean = room + (t->n + 2) * t->d,
                        .scale = room + (t->n + 3) * t->d};
    standardise(&f, p, h);
    fit(&f, p);
    double right = 0, all = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (p->trains[i])
            continue;
        all++;
        right += (logit(&f, i) > 0) == (t->label[i] == 1);
    }
    p->score[h] = right / all;
}

/* Half of each class, so that none is left out of either side. */
static void choose_half(bool *trains, const struct task *t, uint64_t *order,
                        uint64_t seed)
{
    struct rng r = rng_at(seed, RNG_CIRCUIT, 1);
    size_t taken[2] = {0, 0};
    size_t half[2] = {(t->n - t->positives + 1) / 2, (t->positives + 1) / 2};
    rng_permutation(&r, order, t->n);
    for (size_t k = 0; k < t->n; k++) {
        size_t i = (size_t)order[k];
        int label = t->label[i];
        trains[i] = taken[label] < half[label];
        taken[label] += trains[i];
    }
}

int controls_probe(double *score, const struct task *t, uint64_t seed,
                   const struct team *team, struct err *e)
{
    struct arena arena = {0};
    bool *trains;
    uint64_t *order;
    struct probe p = {.t = t, .score = score, .room_of_one = (t->n + 4) * t->d};
    if (t->positives < 2 || t->n - t->positives < 2)
        return err_set(e, ERR_INPUT,
                       "%zu positive and %zu negative examples: a probe needs "
                       "two of each",
                       t->positives, t->n - t->positives);
    int code = arena_get(&arena, &trains, t->n, sizeof *trains, "probe", e);
    if (code == 0)
        code = arena_get(&arena, &order, t->n, sizeof *order, "probe", e);
    if (code == 0)
        code = arena_get(&arena, &p.room, (size_t)team->threads * p.room_of_one,
                         sizeof *p.room, "probe", e);
    if (code == 0) {
        choose_half(trains, t, order, seed);
        p.trains = trains;
        team_run(team, probe_head, &p, t->heads);
    }
    arena_free(&arena);
    return code;
}
