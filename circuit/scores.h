/* SPDX-License-Identifier: MIT
 *
 * Heads ranked by their codes (O'Neill & Bui 2024). An example has a code for
 * each head, and a label. With P_h the codes of head h in positive examples and
 * N_h those in negative ones,
 *
 *     node score  S(h) = |P_h \ N_h|, or of that the share of |P_h ∪ N_h|
 *     edge score  U(h, k) = the number of pairs (a, b) for which h has a and k
 *                 has b in some positive example, and in no negative one
 *
 * or what the code of a positive example tells of its answer (ours): the mutual
 * information of the two, in bits, less what it is on average over random
 * orders of the answers, as many codes tell something by chance. No code is a
 * code here.
 *
 * The others are sets: how often a code occurs does not count, and a busy head
 * with many codes has many that only positives happen to have. No code (-1) is
 * none of a set. An edge has no direction: U is symmetric.
 */
#ifndef CIRCUIT_SCORES_H
#define CIRCUIT_SCORES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/team.h"

/* Codes of a task. */
struct coded {
    size_t n, heads;     /* examples; heads of all layers, layer by layer */
    size_t features;     /* codes are below it */
    const int32_t *code; /* (n, heads), -1: none */
    const int8_t *label; /* (n) 1 or 0 */
};

/* In the order of the option's choices. */
enum scores_kind { SCORES_CODES, SCORES_SHARE, SCORES_ANSWER };

/* bits[h]: the mutual information of head h's code and the class (n) of an
 * example, over those whose class is not negative; as it is, chance included.
 */
int scores_information(double *bits, const struct coded *c,
                       const int32_t *class, struct err *e);

/* score (heads). */
int scores_node(double *score, const struct coded *c, bool share,
                struct err *e);

/* A code that only positive examples have. */
struct positive_code {
    uint32_t head, code, examples; /* how many have it */
};
/* Of all heads, by head and then the most frequent first; *list is the
 * arena's. */
int scores_positive_codes(struct positive_code **list, size_t *n,
                          const struct coded *c, struct arena *arena,
                          struct err *e);

/* edge (heads, heads), symmetric, 0 on the diagonal; a pair of heads is one
 * item of the team's. Memory: 4 bytes for a thread times the square of the
 * most codes that one head has. */
int scores_edge(uint32_t *edge, const struct coded *c, const struct team *team,
                struct err *e);

/* The paper's ranking of heads by edges: of the ordered pairs (h, k), h ≠ k, by
 * falling U and then in order, both heads are listed; a head's score is how
 * often it is among the first heads²/2 entries. */
int scores_from_edges(double *score, const uint32_t *edge, size_t heads,
                      struct err *e);

#endif
