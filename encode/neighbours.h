/* SPDX-License-Identifier: MIT
 *
 * The table feature_neighbour: the features whose decoder rows have the largest
 * cosine with a feature's own. Features that are never active are left out, as
 * subjects and as neighbours: their rows are what training left of random
 * numbers. Of equal cosines the feature with the lower number comes first, but
 * fp32 products of equal rows may differ in their last digit. A decoder row of
 * zeros has cosine 0 with all others.
 *
 * Call order: find; write; free, also after a failure.
 *
 * Cost: n²·d flop in fp32 for n active features on one thread, a copy of their
 * decoder rows meanwhile, and 128 bytes for each.
 */
#ifndef ENCODE_NEIGHBOURS_H
#define ENCODE_NEIGHBOURS_H

#include "encode/background.h"
#include "encode/best.h"
#include "sae/sae.h"
#include "store/writer.h"

enum { NEIGHBOURS = 8 }; /* of a feature */

struct neighbours {
    size_t n;            /* active features */
    uint32_t *feature;   /* [n] their numbers */
    struct best nearest; /* (n) */
    struct arena arena;
};

/* Zeroed; fires (m). A step of `b` is a feature. Ctrl-C ends it with
 * ERR_INTERRUPTED. */
int neighbours_find(struct neighbours *x, const struct sae *s,
                    const uint64_t *fires, struct background *b, struct err *e);
int neighbours_write(const struct neighbours *x, struct store_writer *w,
                     struct err *e);
void neighbours_free(struct neighbours *x);

#endif
