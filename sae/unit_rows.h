/* SPDX-License-Identifier: MIT
 *
 * Rows of a matrix with unit length, as cosines want them: of decoders, or of
 * one head's part of them.
 */
#ifndef SAE_UNIT_ROWS_H
#define SAE_UNIT_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "base/team.h"

struct unit_rows_of {
    const float *w;        /* row i begins at w + i·stride */
    size_t stride;         /* floats */
    const uint32_t *index; /* [n] which rows; NULL: the first n */
};

/* out (n, d): a row of zeros stays one. Norms are summed in double. */
void unit_rows(float *out, const struct unit_rows_of *of, size_t n, size_t d,
               const struct team *team);

#endif
