/* SPDX-License-Identifier: MIT
 *
 * Numbers and sizes that kernels get wrong.
 */
#ifndef TESTS_KERNELS_FILLS_H
#define TESTS_KERNELS_FILLS_H

#include <stddef.h>

#include "base/rng.h"

enum fill {
    FILL_NORMAL,    /* N(0, 1) */
    FILL_ZERO,      /* of both signs */
    FILL_HUGE,      /* one 10^15 among 10^-6 */
    FILL_CANCEL,    /* pairs that cancel but for the last bits */
    FILL_SUBNORMAL, /* and the smallest normal numbers */
    FILL_EQUAL,     /* all the same: ties */
    FILL_WIDE,      /* exponents -40 to 40 */
    FILL_GRID,      /* few different numbers, exact in sums: ties */
    FILL_NAN,       /* N(0, 1) with a NaN */
    FILL_INFINITY,  /* N(0, 1) with an infinity or two */
    FILL_SUMMABLE,  /* those before: no product or sum of them overflows */
    FILL_BITS = FILL_SUMMABLE, /* any bits */
    FILL_SPECIAL,              /* corners of f32, f16 and bf16 */
    FILLS,
};

const char *fill_name(enum fill f);

/* One of those below `end`, ordinary numbers most often. */
enum fill fill_pick(struct rng *r, enum fill end);
void fill_floats(float *x, size_t n, enum fill f, struct rng *r);
/* One number such as the fill has. */
float fill_float(enum fill f, struct rng *r);

/* A size up to `most`: half of the time one around multiples of `tile` or a
 * prime. */
size_t fill_size(struct rng *r, size_t tile, size_t most);

#endif
