/* SPDX-License-Identifier: MIT
 *
 * What `headscope ablate` changes: the sets of edits that its options name.
 */
#ifndef CLI_ABLATE_H
#define CLI_ABLATE_H

#include "lens/effects.h"

struct ablate_sets {
    struct edit *edit;
    struct effects_set *set; /* [n] */
    char **name;             /* [n] */
    size_t n;
    struct arena arena;
};

/* From a list with commas between: "heads" is every head, one at a time, and
 * "layers" every layer; else a set is of names as edits_parse takes them, "+"
 * between those that are edited together; "all" is all heads together, and
 * "not:L2H1+L3H0" all heads but these. All edits are of one kind. On failure
 * nothing is held. */
int ablate_sets_parse(struct ablate_sets *s, const char *list,
                      enum edit_kind kind, double factor,
                      const struct gpt2_config *c, struct err *e);
void ablate_sets_free(struct ablate_sets *s);

#endif
