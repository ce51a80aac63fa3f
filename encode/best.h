/* SPDX-License-Identifier: MIT
 *
 * Many short lists ("slots"), each keeping the best few of what it is offered:
 * by score, then by tie, both falling, then by id, rising; of entries with the
 * same key only the best. That order is total as long as an id is offered
 * once, so a list does not depend on the order of the offers. Offers to
 * different slots may come from different threads.
 */
#ifndef ENCODE_BEST_H
#define ENCODE_BEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct best_entry {
    uint32_t id, key;
    float score, tie;
};

struct best {
    size_t limit;               /* entries of a list */
    struct best_entry *entries; /* (slots, limit), best first */
    uint16_t *n;                /* (slots) */
    float *least;               /* (slots) a score below it comes too late */
    struct arena arena;
};

/* limit is at most BEST_LIMIT_MAX; lists are kept sorted by insertion. */
enum { BEST_LIMIT_MAX = 1000 };
int best_init(struct best *b, size_t slots, size_t limit, struct err *e);
void best_free(struct best *b);

void best_offer(struct best *b, size_t slot, struct best_entry entry);

/* Whether an entry with this score would change nothing, now and later: most
 * offers end here, without a look at their list. */
static inline bool best_is_late(const struct best *b, size_t slot, float score)
{
    return score < b->least[slot];
}

/* Whether a ranks before b, their keys aside. */
bool best_before(const struct best_entry *a, const struct best_entry *b);

/* Empties the list of a slot. */
void best_empty(struct best *b, size_t slot);

/* The list of a slot, best first. */
const struct best_entry *best_list(const struct best *b, size_t slot,
                                   size_t *n);

#endif
