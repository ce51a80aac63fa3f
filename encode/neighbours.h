/* SPDX-License-Identifier: MIT
 *
 * The table feature_neighbour: the features whose decoder rows have the largest
 * cosine with a feature's own. Features that are never active are left out, as
 * subjects and as neighbours: their rows are what training left of random
 * numbers. Of equal cosines the feature with the lower number comes first; a
 * decoder row of zeros has cosine 0 with all others.
 *
 * Cost: 2·n²·d flop in fp32 for n active features, a copy of their decoder
 * rows, and 128 bytes for each. The result does not depend on the number of
 * threads.
 */
#ifndef ENCODE_NEIGHBOURS_H
#define ENCODE_NEIGHBOURS_H

#include "sae/sae.h"
#include "store/writer.h"

enum { NEIGHBOURS = 8 }; /* of a feature */

/* fires (m). Shows a progress bar; Ctrl-C ends it with ERR_INTERRUPTED. */
int neighbours_write(const struct sae *s, const uint64_t *fires,
                     const struct team *team, struct store_writer *w,
                     struct err *e);

#endif
