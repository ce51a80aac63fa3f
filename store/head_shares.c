/* SPDX-License-Identifier: MIT */
#include "store/head_shares.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

struct of_sae {
    float *shares; /* (heads, n) */
    int heads;
    size_t n; /* features */
};

struct head_shares {
    struct of_sae *saes;
    size_t n;
    atomic_bool complete;
};

int head_shares_new(struct head_shares **out, struct err *e)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL)
        return err_memory(e, "the shares of heads", sizeof **out);
    return 0;
}

static void empty(struct head_shares *h)
{
    for (size_t s = 0; s < h->n; s++)
        free(h->saes[s].shares);
    free(h->saes);
    h->saes = NULL;
    h->n = 0;
}

void head_shares_free(struct head_shares **shares)
{
    if (*shares == NULL)
        return;
    empty(*shares);
    free(*shares);
    *shares = NULL;
}

static int read_sae(struct of_sae *out, const struct catalog *catalog,
                    size_t sae, const struct queries *queries, struct err *e)
{
    size_t n_saes;
    const struct catalog_sae *s = &catalog_saes(catalog, &n_saes)[sae];
    size_t n = (size_t)s->heads * s->n;
    *out = (struct of_sae){.heads = s->heads,
                           .n = s->n,
                           .shares = malloc((n + 1) * sizeof(float))};
    if (out->shares == NULL)
        return err_memory(e, "the shares of heads", n * sizeof(float));
    for (size_t i = 0; i < n; i++)
        out->shares[i] = NAN;
    struct query q = query_begin(queries, QUERY_SHARES);
    query_bind(&q, s->id);
    while (query_next(&q)) {
        int64_t head = query_int(&q, SHARES_HEAD);
        const struct catalog_feature *f =
            catalog_find(catalog, sae, query_int(&q, SHARES_FEATURE));
        double share = query_real(&q, SHARES_SHARE);
        /* A share is from 0 to 1; a damaged file may hold any numbers. */
        if (f != NULL && head >= 0 && head < s->heads && share >= 0 &&
            share <= 1)
            out->shares[(size_t)head * s->n + catalog_place(catalog, f) -
                        s->first] = (float)share;
    }
    return query_end(&q, e);
}

static bool fits(const struct catalog *catalog)
{
    size_t n_saes;
    double n = 0;
    const struct catalog_sae *saes = catalog_saes(catalog, &n_saes);
    for (size_t s = 0; s < n_saes; s++)
        n += (double)saes[s].heads * (double)saes[s].n;
    return n <= HEAD_SHARES_MAX;
}

int head_shares_fill(struct head_shares *h, const struct catalog *catalog,
                     const struct queries *queries, struct err *e)
{
    size_t n;
    (void)catalog_saes(catalog, &n);
    if (!fits(catalog))
        return 0;
    h->saes = calloc(n + 1, sizeof *h->saes);
    if (h->saes == NULL)
        return err_memory(e, "the shares of heads", n * sizeof *h->saes);
    h->n = n;
    int code = 0;
    for (size_t s = 0; code == 0 && s < n; s++)
        code = read_sae(&h->saes[s], catalog, s, queries, e);
    if (code != 0)
        empty(h);
    atomic_store(&h->complete, code == 0);
    return code;
}

const float *head_shares_of(const struct head_shares *h, size_t sae, int head)
{
    if (!atomic_load(&h->complete) || head < 0 || head >= h->saes[sae].heads)
        return NULL;
    const struct of_sae *s = &h->saes[sae];
    return s->shares + (size_t)head * s->n;
}
