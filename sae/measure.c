/* SPDX-License-Identifier: MIT */
#include "sae/measure.h"

#include <math.h>

#include "base/json.h"

int measure_init(struct measure *q, struct sae_encoder *enc, int heads,
                 bool pca, const struct team *team, struct err *e)
{
    const struct sae *s = enc->s;
    *q = (struct measure){.enc = enc, .team = team, .pca = pca};
    int code =
        metrics_init(&q->metrics, s->d, s->m, heads > 0 ? (size_t)heads : 1, e);
    if (code == 0 && pca && s->d <= MEASURE_PCA_WIDTH)
        code = covariance_init(&q->covariance, s->d, e);
    if (code != 0)
        measure_free(q);
    return code;
}

void measure_free(struct measure *q)
{
    metrics_free(&q->metrics);
    covariance_free(&q->covariance);
    codes_free(&q->codes);
    *q = (struct measure){0};
}

int measure_rows(struct measure *q, const float *x, size_t n, struct err *e)
{
    const struct sae *s = q->enc->s;
    for (size_t first = 0; first < n; first += METRICS_BATCH) {
        size_t rows = n - first < METRICS_BATCH ? n - first : METRICS_BATCH;
        const float *at = x + first * s->d;
        TRY(sae_encode(q->enc, at, rows, &q->codes, e));
        TRY(metrics_add(&q->metrics, s, q->team, at, &q->codes, e));
        if (q->covariance.d > 0)
            covariance_add(&q->covariance, q->team, at, rows);
    }
    return 0;
}

int measure_read(struct measure *q, const struct measure_source *from,
                 uint64_t first, uint64_t n, struct err *e)
{
    struct arena temporary = {0};
    float *x;
    int code = arena_get(&temporary, &x, METRICS_BATCH * q->enc->s->d,
                         sizeof *x, "rows", e);
    while (code == 0 && n > 0) {
        size_t rows = n < METRICS_BATCH ? (size_t)n : METRICS_BATCH;
        code = view_read(from->view, from->set, first, rows, x, e);
        if (code == 0)
            code = measure_rows(q, x, rows, e);
        first += rows;
        n -= rows;
    }
    arena_free(&temporary);
    return code;
}

/* ---- as JSON ---- */

/* For what could not be filled. */
static json_t *forget(json_t *value)
{
    json_decref(value);
    return NULL;
}

json_t *measure_densities(const struct metrics *q)
{
    uint64_t count[METRICS_DENSITY_BINS];
    json_t *counts = json_array();
    int bad = 0;
    metrics_densities(q, count);
    for (int b = 0; b < METRICS_DENSITY_BINS; b++)
        bad |=
            json_array_append_new(counts, json_integer((json_int_t)count[b]));
    return bad == 0 ? counts : forget(counts);
}

/* With log10 of the lower edge of each bin. */
static json_t *histogram_json(const struct metrics *q)
{
    json_t *edges = json_array();
    int bad = 0;
    for (int b = 0; b < METRICS_DENSITY_BINS; b++)
        bad |= json_array_append_new(edges, json_real(b / 2.0 - 8));
    json_t *histogram = json_pack("{s:o, s:o}", "log10_from", edges, "features",
                                  measure_densities(q));
    return bad == 0 ? histogram : forget(histogram);
}

json_t *measure_heads(const struct metrics *q)
{
    json_t *heads = json_array();
    int bad = 0;
    for (size_t h = 0; h < q->heads; h++)
        bad |=
            json_array_append_new(heads, json_figure(metrics_head_fvu(q, h)));
    return bad == 0 ? heads : forget(heads);
}

static json_t *metrics_json(const struct metrics *q)
{
    double fvu = metrics_fvu(q);
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:f, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o}",
        "fvu", json_figure(fvu), "explained_variance", json_figure(1 - fvu),
        "fvu_legacy", json_figure(metrics_fvu_legacy(q)), "fvu_error_variance",
        json_figure(metrics_fvu_error_variance(q)), "l0", metrics_l0(q), "l1",
        json_figure(metrics_l1(q)), "mse", json_figure(metrics_mse(q)),
        "cosine", json_figure(metrics_cosine(q)), "length_ratio",
        json_figure(metrics_length_ratio(q)), "relative_bias",
        json_figure(metrics_relative_bias(q)), "alive",
        (json_int_t)(q->m - metrics_dead(q)), "density_histogram",
        histogram_json(q), "per_head_fvu", measure_heads(q));
}

/* As many dimensions as features are active on average. */
size_t measure_pca_rank(const struct metrics *q)
{
    return (size_t)llround(metrics_l0(q));
}

static json_t *pca_json(const struct spectrum *s, size_t rank)
{
    return json_pack("{s:I, s:o, s:o, s:o}", "pca_rank", (json_int_t)rank,
                     "pca_fvu", json_figure(spectrum_fvu(s, rank)),
                     "effective_rank", json_figure(spectrum_effective_rank(s)),
                     "participation_ratio",
                     json_figure(spectrum_participation(s)));
}

int measure_spectrum(struct spectrum *out, const float *x, size_t n, size_t d,
                     const struct team *team, struct err *e)
{
    struct covariance c;
    *out = (struct spectrum){0};
    if (d > MEASURE_PCA_WIDTH)
        return 0;
    int code = covariance_init(&c, d, e);
    if (code == 0) {
        covariance_add(&c, team, x, n);
        code = covariance_spectrum(out, &c, e);
    }
    covariance_free(&c);
    return code;
}

/* Those of no spectrum are all null. */
int measure_add_pca(json_t *figures, const struct metrics *q,
                    const struct spectrum *s, struct err *e)
{
    json_t *pca = pca_json(s, measure_pca_rank(q));
    int bad = pca == NULL || json_object_update(figures, pca) != 0;
    json_decref(pca);
    return bad ? err_memory(e, "figures", 0) : 0;
}

int measure_figures(json_t **out, struct measure *q, struct err *e)
{
    struct spectrum s = {0};
    int code = 0;
    *out = metrics_json(&q->metrics);
    if (*out == NULL)
        return err_memory(e, "figures", 0);
    if (q->covariance.d > 0)
        code = covariance_spectrum(&s, &q->covariance, e);
    if (code == 0 && q->pca)
        code = measure_add_pca(*out, &q->metrics, &s, e);
    spectrum_free(&s);
    if (code != 0) {
        json_decref(*out);
        *out = NULL;
    }
    return code;
}
