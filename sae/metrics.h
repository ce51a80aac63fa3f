/* SPDX-License-Identifier: MIT
 *
 * How well codes explain rows, in float64, summed in row order.
 *
 *     FVU = Σ‖x − x̂‖² / (Σ‖x‖² − ‖Σx‖²/n)
 *
 * that is, 1 − explained variance with the mean taken over the rows seen.
 */
#ifndef SAE_METRICS_H
#define SAE_METRICS_H

#include "sae/sae.h"

struct metrics {
    size_t d, m;
    uint64_t rows;
    double *sum;                /* (d) Σ x */
    double sum_sq;              /* Σ ‖x‖² */
    double error_sq;            /* Σ ‖x − x̂‖² */
    uint64_t active;            /* Σ rows' active features */
    uint64_t *fires;            /* (m) rows in which a feature is active */
    struct arena arena;         /* owns sum and fires */
    double *row_sq, *row_error; /* per row of one call, in scratch */
    size_t rows_capacity;
    struct arena scratch;
};

int metrics_init(struct metrics *q, size_t d, size_t m, struct err *e);
void metrics_free(struct metrics *q);

/* Adds n rows x (n, d) with their codes. */
int metrics_add(struct metrics *q, const struct sae *s, const struct team *team,
                const float *x, const struct codes *c, struct err *e);

/* NaN where the rows do not vary. */
double metrics_fvu(const struct metrics *q);
double metrics_l0(const struct metrics *q);
/* Features that never fired. */
size_t metrics_dead(const struct metrics *q);

#endif
