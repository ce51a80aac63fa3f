/* SPDX-License-Identifier: MIT
 *
 * The surroundings of every feature's examples: which tokens lie near one of
 * them, in the same context.
 */
#ifndef ENCODE_WINDOWS_H
#define ENCODE_WINDOWS_H

#include <stdbool.h>

#include "encode/best.h"
#include "encode/sample.h"

struct window {
    uint32_t first, end; /* tokens [first, end) */
};

struct windows {
    size_t *next;           /* (m) the first window that may still matter */
    size_t *end;            /* (m) behind the feature's last */
    struct window *windows; /* by feature, ascending, disjoint */
    struct arena arena;
};

/* Lists of examples whose ids are tokens: feature f's are the slots from
 * f × slots on; `reach` tokens to each side of each belong to its window. */
struct windows_of {
    const struct best *examples;
    size_t slots;
    uint32_t reach;
};

int windows_init(struct windows *w, const struct windows_of *of, size_t n_of,
                 size_t m, const struct sample *sample, struct err *e);
void windows_free(struct windows *w);

/* Whether a token lies in a window of the feature. The tokens asked for a
 * feature must not fall. */
bool windows_contain(struct windows *w, size_t feature, uint32_t token);

#endif
