/* SPDX-License-Identifier: MIT
 *
 * The tokens that show best what a slot (a feature, or a feature and a head)
 * responds to. A context gives at most one of them, its strongest, and of
 * entries with the same key (the same text before them) there is one: phrases
 * that come again and again would else fill the list.
 *
 * Offers to a slot come in token order; slots may be filled from different
 * threads.
 */
#ifndef ENCODE_EXAMPLES_H
#define ENCODE_EXAMPLES_H

#include "encode/best.h"

struct examples {
    size_t slots;
    struct best best;           /* ids are tokens */
    struct best_entry *pending; /* (slots) the context's best so far */
    uint32_t *context;          /* (slots) which context; 0: none, else + 1 */
    struct arena arena;
};

int examples_init(struct examples *x, size_t slots, size_t limit,
                  struct err *e);
void examples_free(struct examples *x);

void examples_offer(struct examples *x, size_t slot, uint32_t context,
                    struct best_entry entry);

/* Call after the last offer; then best_list(&x->best, slot). */
void examples_finish(struct examples *x);

#endif
