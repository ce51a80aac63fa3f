/* SPDX-License-Identifier: MIT
 *
 * The shares of all heads (feature_head.data_share) in memory, for lists of the
 * features of a head: over all SAEs of a model an index would be read for 150
 * ms. 4 bytes a head and feature, so shares are told apart to 24 bits.
 *
 * One thread fills it, once, after catalog_features; any number may look into
 * it meanwhile, and find nothing until it is complete.
 */
#ifndef STORE_HEAD_SHARES_H
#define STORE_HEAD_SHARES_H

#include <stddef.h>

#include "base/err.h"
#include "store/catalog.h"
#include "store/query.h"

enum { HEAD_SHARES_MAX = 8 << 20 }; /* more than so many are not kept */

struct head_shares;

int head_shares_new(struct head_shares **out, struct err *e);
/* Accepts NULL. */
void head_shares_free(struct head_shares **shares);

/* After a failure, and where there are too many, it stays empty. */
int head_shares_fill(struct head_shares *h, const struct catalog *catalog,
                     const struct queries *queries, struct err *e);

/* The shares of a head in the catalog's features of an SAE, in their order;
 * NaN: none. NULL: not kept. `sae` is a place in the catalog. */
const float *head_shares_of(const struct head_shares *h, size_t sae, int head);

#endif
