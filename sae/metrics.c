/* SPDX-License-Identifier: MIT */
#include "sae/metrics.h"

#include <math.h>
#include <string.h>

#include "kernels/kernels.h"

enum { BLOCK = 128 }; /* rows of one item of work */

/* Behind the four sums of each coordinate in an array of sums. */
enum scalar {
    COSINE,      /* Σ cos(x, x̂) */
    RATIO,       /* Σ ‖x̂‖/‖x‖ over rows with x ≠ 0 */
    RATIO_ROWS,  /* those rows */
    PRODUCT,     /* Σ x·x̂ */
    DECODED,     /* Σ ‖x̂‖² */
    LEGACY,      /* Σ ‖e‖²/‖x − x̄‖² over rows with x ≠ x̄ */
    LEGACY_ROWS, /* those rows */
    SCALARS
};

/* An array of sums: (4d + SCALARS), so that arrays are added whole. */
struct sums {
    double *x, *x_square; /* (d) Σ y and Σ y², where y = x − shift */
    double *e, *e_square; /* (d) Σ e and Σ e² */
    double *scalar;       /* (SCALARS) */
};

static size_t sums_size(const struct metrics *q)
{
    return 4 * q->d + SCALARS;
}

static struct sums sums_in(const struct metrics *q, double *array)
{
    return (struct sums){array, array + q->d, array + 2 * q->d,
                         array + 3 * q->d, array + 4 * q->d};
}

static void sums_add(const struct metrics *q, double *to, const double *from)
{
    size_t n = sums_size(q);
    for (size_t i = 0; i < n; i++)
        to[i] += from[i];
}

int metrics_init(struct metrics *q, size_t d, size_t m, size_t heads,
                 struct err *e)
{
    *q = (struct metrics){.d = d, .m = m, .heads = heads};
    TRY(arena_get(&q->arena, &q->shift, d, sizeof(double), "metrics", e));
    TRY(arena_get(&q->arena, &q->mean, d, sizeof(double), "metrics", e));
    TRY(arena_get(&q->arena, &q->total, sums_size(q), sizeof(double), "metrics",
                  e));
    TRY(arena_get(&q->arena, &q->batch, sums_size(q), sizeof(double), "metrics",
                  e));
    return arena_get(&q->arena, &q->fires, m, sizeof *q->fires, "metrics", e);
}

void metrics_free(struct metrics *q)
{
    arena_free(&q->arena);
    arena_free(&q->scratch);
    *q = (struct metrics){0};
}

/* ---- adding rows ---- */

struct job {
    struct metrics *q;
    const struct sae *s;
    const float *x;
    const struct codes *c;
    float *rows; /* (threads, 2, d) x̂ and e */
};

static void add_coordinates(const struct sums *t, const float *x,
                            const float *e, const double *shift, size_t d)
{
    for (size_t j = 0; j < d; j++) {
        double y = (double)x[j] - shift[j];
        t->x[j] += y;
        t->x_square[j] += y * y;
    }
    for (size_t j = 0; j < d; j++) {
        double v = (double)e[j];
        t->e[j] += v;
        t->e_square[j] += v * v;
    }
}

static void measure_block(void *ctx, size_t block, int thread)
{
    const struct job *j = ctx;
    struct metrics *q = j->q;
    size_t d = q->d, first = block * BLOCK;
    float *decoded = j->rows + (size_t)thread * 2 * d, *error = decoded + d;
    double *array = q->blocks + block * sums_size(q);
    struct sums t = sums_in(q, array);
    memset(array, 0, sums_size(q) * sizeof *array);
    for (size_t r = first; r < j->c->n && r < first + BLOCK; r++) {
        const float *x = j->x + r * d;
        sae_decode_row(j->s, j->c, r, decoded);
        kernels.subtract(error, decoded, x, d);
        double xx = kernels.dot_double(x, x, d);
        double dd = kernels.dot_double(decoded, decoded, d);
        double xd = kernels.dot_double(x, decoded, d);
        q->row_error[r] = kernels.dot_double(error, error, d);
        add_coordinates(&t, x, error, q->shift, d);
        t.scalar[PRODUCT] += xd;
        t.scalar[DECODED] += dd;
        if (xx > 0 && dd > 0)
            t.scalar[COSINE] += xd / (sqrt(xx) * sqrt(dd));
        if (xx > 0) {
            t.scalar[RATIO] += sqrt(dd / xx);
            t.scalar[RATIO_ROWS]++;
        }
    }
}

/* ‖x − mean‖² in float64; eight sums, so that they need not wait for each
 * other. */
static double distance(const float *x, const double *mean, size_t d)
{
    double sum[8] = {0}, rest = 0;
    size_t j = 0;
    for (; j + 8 <= d; j += 8)
        for (size_t i = 0; i < 8; i++) {
            double y = (double)x[j + i] - mean[j + i];
            sum[i] += y * y;
        }
    for (; j < d; j++)
        rest += ((double)x[j] - mean[j]) * ((double)x[j] - mean[j]);
    for (size_t i = 0; i < 8; i++)
        rest += sum[i];
    return rest;
}

/* Once the mean of the call's rows is known. */
static void compare_block(void *ctx, size_t block, int thread)
{
    (void)thread;
    const struct job *j = ctx;
    struct metrics *q = j->q;
    size_t d = q->d, first = block * BLOCK;
    struct sums t = sums_in(q, q->blocks + block * sums_size(q));
    for (size_t r = first; r < j->c->n && r < first + BLOCK; r++) {
        double variance = distance(j->x + r * d, q->mean, d);
        if (!(variance > 0))
            continue;
        t.scalar[LEGACY] += q->row_error[r] / variance;
        t.scalar[LEGACY_ROWS]++;
    }
}

static size_t count_blocks(size_t rows)
{
    return (rows + BLOCK - 1) / BLOCK;
}

static int have_scratch(struct metrics *q, size_t rows, struct err *e)
{
    if (rows <= q->rows_capacity)
        return 0;
    arena_free(&q->scratch);
    q->rows_capacity = 0;
    TRY(arena_get(&q->scratch, &q->row_error, rows, sizeof(double), "metrics",
                  e));
    TRY(arena_get(&q->scratch, &q->blocks, count_blocks(rows) * sums_size(q),
                  sizeof(double), "metrics", e));
    q->rows_capacity = rows;
    return 0;
}

static void add_rows(const struct job *j, const struct team *team)
{
    struct metrics *q = j->q;
    size_t n = j->c->n, blocks = count_blocks(n);
    struct job job = *j;
    for (size_t i = 0; q->rows == 0 && i < q->d; i++)
        q->shift[i] = (double)j->x[i];
    team_run(team, measure_block, &job, blocks);
    memset(q->mean, 0, q->d * sizeof *q->mean);
    for (size_t b = 0; b < blocks; b++)
        for (size_t i = 0; i < q->d; i++)
            q->mean[i] += q->blocks[b * sums_size(q) + i];
    for (size_t i = 0; i < q->d; i++)
        q->mean[i] = q->shift[i] + q->mean[i] / (double)n;
    team_run(team, compare_block, &job, blocks);
    memset(q->batch, 0, sums_size(q) * sizeof *q->batch);
    for (size_t b = 0; b < blocks; b++)
        sums_add(q, q->batch, q->blocks + b * sums_size(q));
    sums_add(q, q->total, q->batch);
}

int metrics_add(struct metrics *q, const struct sae *s, const struct team *team,
                const float *x, const struct codes *c, struct err *e)
{
    struct arena temporary = {0};
    struct job j = {q, s, x, c, NULL};
    if (c->n == 0)
        return 0;
    TRY(have_scratch(q, c->n, e));
    TRY(arena_get(&temporary, &j.rows, (size_t)team->threads * 2 * q->d,
                  sizeof(float), "metrics", e));
    add_rows(&j, team);
    arena_free(&temporary);
    q->rows += c->n;
    q->active += c->start[c->n];
    for (size_t i = 0; i < c->start[c->n]; i++) {
        q->activity += (double)c->value[i];
        q->fires[c->feature[i]]++;
    }
    return 0;
}

/* ---- what they come to ---- */

static double ratio(double a, double b)
{
    return b != 0 ? a / b : (double)NAN;
}

/* Σ‖x − x̄‖² over coordinates [from, to). */
static double variance(const struct metrics *q, size_t from, size_t to)
{
    struct sums t = sums_in(q, q->total);
    double sum = 0;
    for (size_t j = from; j < to; j++)
        sum += t.x_square[j] - t.x[j] * t.x[j] / (double)q->rows;
    return sum;
}

static double error(const struct metrics *q, size_t from, size_t to)
{
    struct sums t = sums_in(q, q->total);
    double sum = 0;
    for (size_t j = from; j < to; j++)
        sum += t.e_square[j];
    return sum;
}

static double fvu_between(const struct metrics *q, size_t from, size_t to)
{
    if (q->rows == 0)
        return (double)NAN;
    double all = variance(q, from, to);
    return all > 0 ? error(q, from, to) / all : (double)NAN;
}

double metrics_fvu(const struct metrics *q)
{
    return fvu_between(q, 0, q->d);
}

double metrics_head_fvu(const struct metrics *q, size_t head)
{
    size_t width = q->d / q->heads;
    return fvu_between(q, head * width, (head + 1) * width);
}

double metrics_fvu_error_variance(const struct metrics *q)
{
    struct sums t = sums_in(q, q->total);
    double all = q->rows > 0 ? variance(q, 0, q->d) : 0, offset = 0;
    for (size_t j = 0; j < q->d && all > 0; j++)
        offset += t.e[j] * t.e[j] / (double)q->rows;
    return all > 0 ? (error(q, 0, q->d) - offset) / all : (double)NAN;
}

static double scalar(const struct metrics *q, enum scalar which)
{
    return sums_in(q, q->total).scalar[which];
}

double metrics_fvu_legacy(const struct metrics *q)
{
    return ratio(scalar(q, LEGACY), scalar(q, LEGACY_ROWS));
}

double metrics_mse(const struct metrics *q)
{
    return ratio(error(q, 0, q->d), (double)q->rows);
}

double metrics_l1(const struct metrics *q)
{
    return ratio(q->activity, (double)q->rows);
}

double metrics_cosine(const struct metrics *q)
{
    return ratio(scalar(q, COSINE), (double)q->rows);
}

double metrics_length_ratio(const struct metrics *q)
{
    return ratio(scalar(q, RATIO), scalar(q, RATIO_ROWS));
}

double metrics_relative_bias(const struct metrics *q)
{
    return ratio(scalar(q, DECODED), scalar(q, PRODUCT));
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

/* Whole decades are compared as the decimal constants they are, so that a
 * density of 1/1000 lies where 0.001 does. */
static size_t density_bin(double density)
{
    static const double decade[] = {1e-8, 1e-7, 1e-6, 1e-5,
                                    1e-4, 1e-3, 1e-2, 1e-1};
    static const double root10 = 3.1622776601683795;
    size_t bin = 0;
    for (size_t i = 0; i < sizeof decade / sizeof *decade; i++) {
        if (density >= decade[i])
            bin = 2 * i;
        if (density >= decade[i] * root10)
            bin = 2 * i + 1;
    }
    return bin;
}

void metrics_densities(const struct metrics *q,
                       uint64_t count[METRICS_DENSITY_BINS])
{
    memset(count, 0, METRICS_DENSITY_BINS * sizeof *count);
    for (size_t i = 0; i < q->m; i++)
        if (q->fires[i] > 0)
            count[density_bin((double)q->fires[i] / (double)q->rows)]++;
}
