/* SPDX-License-Identifier: MIT */
#include "sae/pca.h"

#include <cblas.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/least.h"

enum {
    PIECE = 1024, /* rows converted to float64 at a time */
    BLOCK = 128,  /* of them, an item of work */
    TILE = 128,   /* coordinates of a tile's side */
};

/* LAPACK's, which libopenblas holds; Debian has a header for it (lapacke) only
 * in another package. The last two are lengths of the strings, as gfortran
 * passes them. */
void dsyev_(const char *jobz, const char *uplo, const int *n, double *a,
            const int *lda, double *w, double *work, const int *lwork,
            int *info, size_t jobz_length, size_t uplo_length);

static size_t ceil_div(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

int covariance_init(struct covariance *c, size_t d, struct err *e)
{
    *c = (struct covariance){.d = d};
    struct arena *a = &c->arena;
    TRY(arena_get(a, &c->shift, d, sizeof(double), "covariance", e));
    TRY(arena_get(a, &c->sum, d, sizeof(double), "covariance", e));
    TRY(arena_get(a, &c->piece, PIECE * d, sizeof(double), "covariance", e));
    return arena_get(a, &c->matrix, d * d, sizeof(double), "covariance", e);
}

void covariance_free(struct covariance *c)
{
    arena_free(&c->arena);
    *c = (struct covariance){0};
}

struct job {
    struct covariance *c;
    const float *x;
    size_t n; /* rows of the piece */
};

static void convert_block(void *ctx, size_t block, int thread)
{
    (void)thread;
    const struct job *j = ctx;
    size_t d = j->c->d, end = least((block + 1) * BLOCK, j->n);
    for (size_t r = block * BLOCK; r < end; r++)
        for (size_t i = 0; i < d; i++)
            j->c->piece[r * d + i] = (double)j->x[r * d + i] - j->c->shift[i];
}

/* Tile number `tile` counted along the rows of the lower triangle. */
static void add_tile(void *ctx, size_t tile, int thread)
{
    (void)thread;
    const struct job *j = ctx;
    struct covariance *c = j->c;
    size_t row = 0, d = c->d;
    while (tile > row)
        tile -= ++row;
    size_t i = row * TILE, k = tile * TILE;
    int height = (int)least(TILE, d - i), width = (int)least(TILE, d - k);
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, height, width,
                (int)j->n, 1, c->piece + i, (int)d, c->piece + k, (int)d, 1,
                c->matrix + i * d + k, (int)d);
}

void covariance_add(struct covariance *c, const struct team *team,
                    const float *x, size_t n)
{
    size_t d = c->d, side = ceil_div(d, TILE);
    for (size_t i = 0; c->rows == 0 && n > 0 && i < d; i++)
        c->shift[i] = (double)x[i];
    for (size_t first = 0; first < n; first += PIECE) {
        struct job j = {c, x + first * d, least(PIECE, n - first)};
        team_run(team, convert_block, &j, ceil_div(j.n, BLOCK));
        team_run(team, add_tile, &j, side * (side + 1) / 2);
        for (size_t r = 0; r < j.n; r++)
            for (size_t i = 0; i < d; i++)
                c->sum[i] += c->piece[r * d + i];
    }
    c->rows += n;
}

/* ---- the spectrum ---- */

/* Σ y·yᵀ to the covariance, in the lower triangle. */
static int centre(struct covariance *c, struct err *e)
{
    size_t d = c->d;
    double n = c->rows > 0 ? (double)c->rows : 1;
    for (size_t i = 0; i < d; i++)
        for (size_t k = 0; k <= i; k++) {
            double *v = &c->matrix[i * d + k];
            *v = *v / n - c->sum[i] / n * (c->sum[k] / n);
            if (!isfinite(*v))
                return err_set(e, ERR_INPUT,
                               "the covariance of inputs %zu and %zu is not "
                               "finite; rescale the rows",
                               k, i);
        }
    return 0;
}

/* Ascending eigenvalues of the matrix into w; with job "V" the rows of the
 * matrix become their vectors. LAPACK counts columns first: our lower triangle
 * is its upper, and its columns our rows. */
static int solve(double *w, struct covariance *c, const char *job,
                 struct err *e)
{
    if (c->d > INT_MAX)
        return err_set(e, ERR_INPUT, "a covariance of %zu inputs; at most %d",
                       c->d, INT_MAX);
    int n = (int)c->d, info = 0, size = -1;
    double best = 0, *work = NULL;
    dsyev_(job, "U", &n, c->matrix, &n, w, &best, &size, &info, 1, 1);
    size = info == 0 && best >= 1 ? (int)best : 3 * n;
    TRY(arena_get(&c->arena, &work, (size_t)size, sizeof *work, "eigenvalues",
                  e));
    dsyev_(job, "U", &n, c->matrix, &n, w, work, &size, &info, 1, 1);
    if (info != 0)
        return err_set(e, ERR_SYSTEM,
                       "LAPACK found no eigenvalues of a covariance (dsyev "
                       "%d)",
                       info);
    return 0;
}

static void swap(double *a, double *b)
{
    double v = *a;
    *a = *b;
    *b = v;
}

static int take_spectrum(struct spectrum *out, struct covariance *c,
                         const char *job, struct err *e)
{
    size_t d = c->d;
    TRY(arena_get(&out->arena, &out->value, d, sizeof(double), "spectrum", e));
    TRY(centre(c, e));
    TRY(solve(out->value, c, job, e));
    for (size_t i = 0; i < d / 2; i++)
        swap(&out->value[i], &out->value[d - 1 - i]);
    for (size_t i = 0; i < d; i++)
        out->value[i] = out->value[i] > 0 ? out->value[i] : 0;
    return 0;
}

int covariance_spectrum(struct spectrum *out, struct covariance *c,
                        struct err *e)
{
    *out = (struct spectrum){.d = c->d};
    int code = take_spectrum(out, c, "N", e);
    if (code != 0)
        spectrum_free(out);
    return code;
}

int covariance_axes(struct spectrum *out, struct covariance *c, struct err *e)
{
    size_t d = c->d;
    *out = (struct spectrum){.d = d};
    int code = take_spectrum(out, c, "V", e);
    if (code == 0)
        code =
            arena_get(&out->arena, &out->axis, d * d, sizeof(float), "axes", e);
    for (size_t i = 0; code == 0 && i < d; i++)
        for (size_t j = 0; j < d; j++)
            out->axis[i * d + j] = (float)c->matrix[(d - 1 - i) * d + j];
    if (code != 0)
        spectrum_free(out);
    return code;
}

void spectrum_free(struct spectrum *s)
{
    arena_free(&s->arena);
    *s = (struct spectrum){0};
}

/* Σ λ from number `first` on, the smallest first. */
static double sum_from(const struct spectrum *s, size_t first)
{
    double sum = 0;
    for (size_t i = s->d; i > first; i--)
        sum += s->value[i - 1];
    return sum;
}

double spectrum_fvu(const struct spectrum *s, size_t rank)
{
    double all = sum_from(s, 0);
    return all > 0 ? sum_from(s, rank) / all : (double)NAN;
}

double spectrum_effective_rank(const struct spectrum *s)
{
    double all = sum_from(s, 0), entropy = 0;
    for (size_t i = 0; i < s->d; i++) {
        double p = all > 0 ? s->value[i] / all : (double)NAN;
        entropy -= p > 0 ? p * log(p) : 0;
    }
    return all > 0 ? exp(entropy) : (double)NAN;
}

double spectrum_participation(const struct spectrum *s)
{
    double all = sum_from(s, 0), square = 0;
    for (size_t i = 0; i < s->d; i++)
        square += s->value[i] * s->value[i];
    return all > 0 ? all * all / square : (double)NAN;
}
