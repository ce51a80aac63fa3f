/* SPDX-License-Identifier: MIT
 *
 * Which features of one SAE are found again in another: the best match of each
 * by the cosine of decoder rows. Trained from two seeds on the same rows, the
 * share that has a match is how stable the features are (docs/metrics.md).
 */
#ifndef SAE_MATCH_H
#define SAE_MATCH_H

#include "sae/sae.h"

struct match {
    size_t n, m;    /* features of the one and of the other */
    float *cosine;  /* (n) with the best of the other; 0 for a row of zeros */
    uint32_t *best; /* (n) which that is, the lowest of equals */
    uint32_t *back; /* (m) and the other way round */
    struct arena arena;
};

/* Compares all pairs; both SAEs have the same d. The result does not depend on
 * the number of threads. Cost: 2·n·m·d flop in fp32, and copies of both
 * decoders. */
int match_decoders(struct match *out, const struct sae *one,
                   const struct sae *other, const struct team *team,
                   struct err *e);
void match_free(struct match *q);

/* Over features of the one; NaN if there are none. */
struct match_shares {
    size_t features;
    double mean; /* cosine */
    double above_07, above_09;
    double mutual; /* share that is the best match of its best match */
};
/* `fires` (n): only features with a number above 0; NULL: all. */
struct match_shares match_shares(const struct match *q, const uint64_t *fires);

#endif
