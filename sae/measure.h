/* SPDX-License-Identifier: MIT
 *
 * All figures of an SAE on some rows, for the trainer's record and for
 * `headscope eval`: both go through here, so that they say the same.
 * docs/metrics.md defines them.
 *
 * Call order: measure_init; measure_rows or measure_read, any number of times;
 * measure_figures; measure_free.
 */
#ifndef SAE_MEASURE_H
#define SAE_MEASURE_H

#include "dump/view.h"
#include "sae/metrics.h"
#include "sae/pca.h"

/* Wider rows have no PCA: the matrix would take more than half a gigabyte, its
 * eigenvalues minutes. */
enum { MEASURE_PCA_WIDTH = 8192 };

struct measure {
    struct sae_encoder *enc;
    const struct team *team;
    struct metrics metrics;
    bool pca;                     /* pca figures are asked for */
    struct covariance covariance; /* d is 0 where it is not taken */
    struct codes codes;
};

/* Keeps `enc` and `team`. `heads` divides the width; 0 if unknown, then the
 * row is taken as one head. With `pca` costs n·d² more and d² float64. */
int measure_init(struct measure *q, struct sae_encoder *enc, int heads,
                 bool pca, const struct team *team, struct err *e);
void measure_free(struct measure *q);

/* Adds x (n, d) in pieces of METRICS_BATCH. */
int measure_rows(struct measure *q, const float *x, size_t n, struct err *e);
/* Reads rows [first, first + n) that a view makes of a set and adds them. A
 * caller that wants to show progress takes METRICS_BATCH at a time. */
struct measure_source {
    const struct view *view;
    const struct row_set *set; /* of tokens */
};
int measure_read(struct measure *q, const struct measure_source *from,
                 uint64_t first, uint64_t n, struct err *e);

/* The figures as an object, in *out: fvu, explained_variance, fvu_legacy,
 * fvu_error_variance, l0, l1, mse, cosine, length_ratio, relative_bias, alive,
 * density_histogram, per_head_fvu, and with pca pca_rank, pca_fvu,
 * effective_rank, participation_ratio. A figure that does not exist is null.
 * Ends the taking of rows where there is a covariance. */
int measure_figures(json_t **out, struct measure *q, struct err *e);

/* Parts of it, for a record of its own: per_head_fvu; density_histogram's
 * features; pca_rank, the number of dimensions that PCA may use where so many
 * features are active. The first two are NULL without memory. */
json_t *measure_heads(const struct metrics *q);
json_t *measure_densities(const struct metrics *q);
size_t measure_pca_rank(const struct metrics *q);

/* The spectrum of rows x (n, d), as measure_figures takes it; d 0 where they
 * are too wide. For a caller that needs it more than once, who then measures
 * without pca and adds the figures of pca by the second. */
int measure_spectrum(struct spectrum *out, const float *x, size_t n, size_t d,
                     const struct team *team, struct err *e);
int measure_add_pca(json_t *figures, const struct metrics *q,
                    const struct spectrum *s, struct err *e);

#endif
