/* SPDX-License-Identifier: MIT */
#include "viewer/alike.h"

#include <math.h>
#include <stdlib.h>

/* Runs of active tokens, each over several contexts. */
enum { RUNS = 4, RUN = 1024 };

int alike_begin(struct alike_work *m, struct call *c, size_t sae, size_t other)
{
    size_t n = call_sae(c, other)->n;
    *m = (struct alike_work){.sae = sae, .other = other};
    m->together = calloc(n + 1, sizeof *m->together);
    if (m->together == NULL)
        return err_memory(c->e, "a comparison", n * sizeof *m->together);
    struct query q = query_begin(c->queries, QUERY_SAE_TOKENS);
    query_bind(&q, call_sae(c, sae)->id);
    if (query_next(&q)) {
        m->first = query_int(&q, 0);
        m->tokens = query_int(&q, 1);
    }
    return query_end(&q, c->e);
}

void alike_free(struct alike_work *m)
{
    free(m->together);
    *m = (struct alike_work){0};
}

/* Counts the other's features at a token. */
static int count_at(struct alike_work *m, struct call *c,
                    const struct catalog_feature *features, int64_t token)
{
    const struct catalog_sae *other = call_sae(c, m->other);
    struct query q = query_begin(c->queries, QUERY_ACTIVE_FEATURES);
    query_bind(&q, other->id);
    query_bind(&q, token);
    while (query_next(&q)) {
        const struct catalog_feature *f =
            catalog_find(c->site->catalog, m->other, query_int(&q, 0));
        if (f != NULL)
            m->together[(size_t)(f - features) - other->first]++;
    }
    return query_end(&q, c->e);
}

/* Tokens of the sample at which a feature is active, in their order. */
struct tokens {
    int64_t ids[RUNS * RUN];
    size_t n;
};

static int read_run(struct tokens *t, const struct alike_work *m,
                    struct call *c, int64_t feature, int64_t from)
{
    struct query q = query_begin(c->queries, QUERY_ACTIVE_TOKENS);
    query_bind(&q, call_sae(c, m->sae)->id);
    query_bind(&q, feature);
    query_bind(&q, from);
    query_bind(&q, RUN);
    for (int i = 0; i < RUN && query_next(&q); i++)
        t->ids[t->n++] = query_int(&q, 0);
    return query_end(&q, c->e);
}

/* Runs from places evenly spread over the dump, none twice. */
static int read_tokens(struct tokens *t, const struct alike_work *m,
                       struct call *c, int64_t feature)
{
    t->n = 0;
    for (int i = 0; i < RUNS; i++) {
        int64_t place =
            m->first + (int64_t)((double)m->tokens * i / (double)RUNS);
        bool passed = t->n > 0 && t->ids[t->n - 1] >= place;
        TRY(read_run(t, m, c, feature, passed ? t->ids[t->n - 1] + 1 : place));
    }
    return 0;
}

static int count_all(int64_t *looked, struct alike_work *m, struct call *c,
                     const struct catalog_feature *features,
                     const struct catalog_feature *feature)
{
    struct tokens t;
    *looked = 0;
    TRY(read_tokens(&t, m, c, feature->feature));
    size_t n = t.n < ALIKE_TOKENS ? t.n : ALIKE_TOKENS;
    for (size_t i = 0; i < n; i++)
        TRY(count_at(m, c, features, t.ids[(2 * i + 1) * t.n / (2 * n)]));
    *looked = (int64_t)n;
    return 0;
}

/* `both` is estimated; it cannot be more than either. */
static double phi(double a, double b, double both)
{
    double spread = sqrt(a * (1 - a) * b * (1 - b));
    return spread > 0 ? (fmin(both, fmin(a, b)) - a * b) / spread : 0;
}

/* Puts a match in its place among the best so far. */
static void keep(struct alike out[ALIKE_MOST], size_t *n, struct alike one)
{
    size_t at = *n;
    while (at > 0 && one.correlation > out[at - 1].correlation)
        at--;
    if (at == ALIKE_MOST)
        return;
    *n = *n < ALIKE_MOST ? *n + 1 : ALIKE_MOST;
    for (size_t i = *n - 1; i > at; i--)
        out[i] = out[i - 1];
    out[at] = one;
}

int alike_find(struct alike out[ALIKE_MOST], size_t *n, int64_t *looked,
               struct alike_work *m, struct call *c,
               const struct catalog_feature *feature)
{
    const struct catalog_feature *features;
    size_t n_features;
    TRY(catalog_features(&features, &n_features, c->site->catalog, c->queries,
                         c->e));
    const struct catalog_sae *other = call_sae(c, m->other);
    *n = 0;
    int code = count_all(looked, m, c, features, feature);
    for (size_t i = 0; i < other->n; i++) {
        const struct catalog_feature *f = &features[other->first + i];
        int64_t together = m->together[i];
        m->together[i] = 0;
        if (together == 0)
            continue;
        double share = (double)together / (double)*looked;
        keep(out, n,
             (struct alike){
                 f, together,
                 phi(feature->density, f->density, feature->density * share)});
    }
    return code;
}
