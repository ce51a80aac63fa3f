/* SPDX-License-Identifier: MIT
 *
 * The covariance of rows, its spectrum, and what follows from that: how much a
 * linear reconstruction of some rank leaves unexplained, and how many
 * dimensions the rows really use. All in float64.
 *
 * Call order: covariance_init; covariance_add for any number of pieces;
 * covariance_spectrum. Each tile of the matrix is summed by one thread in the
 * order of the rows: results do not depend on the number of threads.
 */
#ifndef SAE_PCA_H
#define SAE_PCA_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/team.h"

struct covariance {
    size_t d;
    uint64_t rows;
    double *shift;  /* (d) the first row; sums are of y = x − shift */
    double *sum;    /* (d) Σ y */
    double *matrix; /* (d, d) Σ y·yᵀ, tiles on and below the diagonal */
    double *piece;  /* (PIECE, d) rows on their way */
    struct arena arena;
};

int covariance_init(struct covariance *c, size_t d, struct err *e);
void covariance_free(struct covariance *c);

/* Adds n rows x (n, d). Cost: n·d² multiply-adds, half of them saved. */
void covariance_add(struct covariance *c, const struct team *team,
                    const float *x, size_t n);

/* Eigenvalues of the covariance (divided by the number of rows), the largest
 * first; those that rounding made negative are 0. */
struct spectrum {
    size_t d;
    double *value; /* (d) */
    float *axis;   /* (d, d) unit vectors in the order of values, or NULL */
    struct arena arena;
};

/* Uses the matrix up: *c is to be freed. Cost: 4/3·d³ flop on one thread for
 * the reduction to tridiagonal form (LAPACK, dsyev): a second at d = 2048.
 * ERR_INPUT if the rows are too large for float64. */
int covariance_spectrum(struct spectrum *out, struct covariance *c,
                        struct err *e);
/* With the axes. Cost: three to four times as much. */
int covariance_axes(struct spectrum *out, struct covariance *c, struct err *e);
void spectrum_free(struct spectrum *s);

/* The share of variance that no affine map of this rank can explain: Σ of the
 * eigenvalues behind the first `rank` over Σ of all (Eckart & Young 1936). NaN
 * if the rows do not vary. */
double spectrum_fvu(const struct spectrum *s, size_t rank);
/* exp of the entropy of p = λ/Σλ (Roy & Vetterli 2007); NaN as above. */
double spectrum_effective_rank(const struct spectrum *s);
/* (Σλ)²/Σλ²; NaN as above. */
double spectrum_participation(const struct spectrum *s);

#endif
