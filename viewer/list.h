/* SPDX-License-Identifier: MIT
 *
 * A page of the list of features: filtered, sorted, cut. Without `by_vocab` and
 * `by_source` it walks an order that is kept in memory, or brings the page's
 * rows of a head's shares into order; with them it takes those features only.
 * Time is proportional to the number of features: milliseconds for 300,000.
 */
#ifndef VIEWER_LIST_H
#define VIEWER_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/catalog.h"
#include "store/head_shares.h"
#include "store/query.h"

enum list_sort {
    LIST_BY_DENSITY,
    LIST_BY_MAX,
    LIST_BY_SHARE,
    LIST_BY_INDEX,
    LIST_BY_ENTROPY,
    LIST_BY_TOKEN, /* the maximum on the strings; this and the next need
                      by_vocab */
    LIST_BY_COUNT, /* how often on the strings */
};

enum { LIST_VOCABS_MAX = 16 };

struct list_wanted {
    size_t sae_from, sae_to; /* of the catalog's SAEs, the end not included */
    int head;                /* -1: any */
    bool by_head_share;      /* not the top head, but a head with min_share */
    double min_share;
    bool by_vocab;  /* only features of these strings, */
    bool by_source; /* or that have these as sources */
    int64_t vocabs[LIST_VOCABS_MAX];
    size_t n_vocabs;
    double min_density, max_density;
    const bool *only; /* of the catalog's features; NULL: all */
    bool dead;        /* also features that are never active */
    enum list_sort sort;
    bool descending;
    size_t offset, limit; /* SIZE_MAX: all that there are */
    /* Instead of offset: the page begins behind this feature, whether the
     * filters still let it pass or not. NULL: not so. */
    const struct catalog_feature *after;
};

struct list_item {
    const struct catalog_feature *feature;
    double share; /* of the top head, or of `head` with by_head_share */
    /* With by_vocab, on these strings; with by_source, from them, where max is
     * their share: */
    int64_t count;
    double max, mean;
};

struct list {
    struct list_item *items;
    size_t n;
    size_t total;  /* of all pages */
    size_t before; /* of rows on pages before this one */
    bool lost;     /* `after` has no place in this list: the page is no page */
};

/* What lists are made of. */
struct list_from {
    struct catalog *catalog;
    const struct head_shares *shares;
    const struct queries *queries;
};

int list_make(struct list *out, const struct list_wanted *wanted,
              const struct list_from *from, struct err *e);
void list_free(struct list *list);

#endif
