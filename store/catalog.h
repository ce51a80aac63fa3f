/* SPDX-License-Identifier: MIT
 *
 * The features of all SAEs in memory, 64 bytes each, for lists that are sorted
 * and filtered: walking them takes microseconds where an index per order would
 * be read for milliseconds, and lists over all SAEs have no index at all.
 *
 * catalog_open reads the SAEs only. The features are read at the first
 * catalog_features, and an order is made at its first catalog_order: seconds
 * of a big database are not spent before they are needed. Both may be called
 * by many threads; what they give is never changed afterwards.
 */
#ifndef STORE_CATALOG_H
#define STORE_CATALOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/query.h"

struct catalog_sae {
    int64_t id;
    int layer, heads; /* heads: of its input, at least 1 */
    char *name;
    char *fingerprint; /* of its tensors */
    int64_t d_sae, tokens;
    size_t first, n; /* its features, once they are read */
};

struct catalog_feature {
    int64_t feature, fires;
    double density;
    double max, mean; /* NaN: dead */
    double top_share; /* NaN: none */
    double entropy;   /* of its tokens' strings; NaN: not known */
    int top_head;     /* -1: none */
    int sae;          /* index into the SAEs */
};

/* Orders, the smallest first; NaN comes first of all. Ties: by SAE and
 * feature. */
enum catalog_order {
    CATALOG_BY_DENSITY,
    CATALOG_BY_MAX,
    CATALOG_BY_SHARE,
    CATALOG_BY_ENTROPY,
    CATALOG_ORDERS,
};

struct catalog;

int catalog_open(struct catalog **out, const struct queries *queries,
                 struct err *e);
/* Accepts NULL. */
void catalog_close(struct catalog **catalog);

/* SAEs by layer, then id. */
const struct catalog_sae *catalog_saes(const struct catalog *c, size_t *n);

/* The largest number of heads of any. */
int catalog_heads(const struct catalog *c);

/* The features, by SAE and feature. */
int catalog_features(const struct catalog_feature **out, size_t *n,
                     struct catalog *c, const struct queries *queries,
                     struct err *e);

/* A permutation of all features; after catalog_features. */
int catalog_sorted(const uint32_t **out, struct catalog *c,
                   enum catalog_order order, struct err *e);

/* A feature of an SAE, or NULL; after catalog_features. */
const struct catalog_feature *catalog_find(const struct catalog *c, size_t sae,
                                           int64_t feature);

/* Its place among all features. */
size_t catalog_place(const struct catalog *c, const struct catalog_feature *f);

#endif
