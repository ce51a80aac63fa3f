/* SPDX-License-Identifier: MIT
 *
 * Which pairs of feature and token string a database keeps: there are too many
 * to keep them all. Kept are those among the first of their feature or of their
 * string: by frequency, by the strongest activation, or by the mean over all
 * occurrences of the string.
 */
#ifndef ENCODE_TOKEN_CHOICE_H
#define ENCODE_TOKEN_CHOICE_H

#include "encode/token_counts.h"

struct token_choice {
    size_t m, n_vocab; /* ids are below */
    size_t limit;      /* first of each order, for each feature and string */
    const uint64_t *occurrences; /* [n_vocab] of each string in the dump */
};

/* The pairs to keep of counts that are finished, by (vocab, feature), into *out
 * (the caller's free) and *n. Two passes over the pairs. */
int token_choice_make(struct token_count **out, size_t *n,
                      const struct token_counts *t,
                      const struct token_choice *choice, struct err *e);

#endif
