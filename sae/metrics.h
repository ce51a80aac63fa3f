/* SPDX-License-Identifier: MIT
 *
 * How well codes explain rows, in float64; docs/metrics.md has the definitions
 * and their sources. With e = x̂ − x and sums over rows,
 *
 *     FVU = Σ‖e‖² / Σ‖x − x̄‖²
 *
 * where x̄ is the mean of all rows added, however they came in pieces. Sums are
 * kept for every input coordinate, of rows less the first one, so that a mean
 * far from zero costs no digits; a head is a stretch of coordinates.
 *
 * Rows are summed in blocks of 128 and blocks in their order: results do not
 * depend on the number of threads.
 */
#ifndef SAE_METRICS_H
#define SAE_METRICS_H

#include "sae/sae.h"

enum {
    METRICS_BATCH = 4096,      /* rows a call, where fvu_legacy is wanted */
    METRICS_DENSITY_BINS = 16, /* half a decade each, from 1e-8 to 1 */
};

struct metrics {
    size_t d, m, heads;
    uint64_t rows;
    double *shift;   /* (d) the first row added */
    double *total;   /* sums over all rows, laid out in metrics.c */
    uint64_t active; /* Σ rows' active features */
    double activity; /* Σ f */
    uint64_t *fires; /* (m) rows in which a feature is active */
    struct arena arena;
    /* Of one call. */
    double *batch, *blocks, *row_error, *mean;
    size_t rows_capacity;
    struct arena scratch;
};

/* `heads` divides d; 1 if there are none to tell apart. */
int metrics_init(struct metrics *q, size_t d, size_t m, size_t heads,
                 struct err *e);
void metrics_free(struct metrics *q);

/* Adds n rows x (n, d) with their codes. Only w_dec, b_dec and d of the SAE
 * are used. Cost: one decoding and some passes over x. */
int metrics_add(struct metrics *q, const struct sae *s, const struct team *team,
                const float *x, const struct codes *c, struct err *e);

/* All of these are NaN without rows, and where they would divide by zero: an
 * FVU where the rows do not vary. */
double metrics_fvu(const struct metrics *q);
double metrics_head_fvu(const struct metrics *q, size_t head);
/* As SAELens' explained_variance_legacy: the mean over rows of ‖e‖²/‖x − x̄‖²,
 * x̄ being the mean of the call's rows; rows that equal it are left out. */
double metrics_fvu_legacy(const struct metrics *q);
/* As dictionary_learning: e about its own mean, which forgives an offset. */
double metrics_fvu_error_variance(const struct metrics *q);
double metrics_mse(const struct metrics *q);          /* mean ‖e‖² */
double metrics_l1(const struct metrics *q);           /* mean Σ f */
double metrics_cosine(const struct metrics *q);       /* mean cos(x, x̂) */
double metrics_length_ratio(const struct metrics *q); /* mean ‖x̂‖/‖x‖ */
double metrics_relative_bias(const struct metrics *q); /* Σ‖x̂‖² / Σ x·x̂ */
/* Mean number of active features; 0 without rows. */
double metrics_l0(const struct metrics *q);

/* Features that never fired. */
size_t metrics_dead(const struct metrics *q);
/* Features by density, the dead ones left out: bin b holds densities of
 * [10^(b/2 − 8), 10^((b + 1)/2 − 8)), the first also what is below and the last
 * a density of 1. */
void metrics_densities(const struct metrics *q,
                       uint64_t count[METRICS_DENSITY_BINS]);

#endif
