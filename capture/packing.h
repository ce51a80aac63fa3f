/* SPDX-License-Identifier: MIT
 *
 * Whole contexts packed, in order, into groups that a forward pass takes at
 * once: of at most PACKING_ROWS tokens, or a longer context alone. That is
 * enough for BLAS to run at full speed, and few enough that threads wait little
 * for one another and workspaces stay small. Groups do not depend on the number
 * of threads.
 */
#ifndef CAPTURE_PACKING_H
#define CAPTURE_PACKING_H

#include <stdint.h>

#include "base/arena.h"

enum { PACKING_ROWS = 1024 };

struct packing {
    size_t groups;
    size_t *first; /* [groups + 1] the first context of each */
    size_t rows;   /* of the largest */
};

/* starts [contexts + 1] as in struct gpt2_batch. Memory from the arena. */
int packing_make(struct packing *p, const int64_t *starts, size_t contexts,
                 struct arena *arena, struct err *e);

#endif
