/* SPDX-License-Identifier: MIT
 *
 * Arguments that name a dump and SAEs, in any order: an SAE is what
 * sae_format_of knows, everything else is the dump.
 */
#ifndef CLI_INPUTS_H
#define CLI_INPUTS_H

#include "base/arena.h"

struct inputs {
    const char **dump, **saes;
    size_t n_dump, n_saes;
    struct arena arena;
};

/* At least one of each is needed. On failure nothing is held. */
int inputs_divide(struct inputs *in, const char *const *args, size_t n,
                  struct err *e);
void inputs_free(struct inputs *in);

#endif
