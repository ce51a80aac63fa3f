/* SPDX-License-Identifier: MIT
 *
 * How often and how strongly each feature is active at each token string, over
 * all tokens. There are too many pairs to keep them all in a database: the
 * ones kept are among the most frequent or the strongest of their feature or
 * of their string.
 *
 * Features are divided into fixed parts; a part may be fed from one thread,
 * its pairs in token order. Memory: 24 bytes a pair, up to twice that.
 */
#ifndef ENCODE_TOKEN_COUNTS_H
#define ENCODE_TOKEN_COUNTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/team.h"

struct token_count {
    uint32_t feature, vocab;
    uint32_t count; /* 0: an empty place of the table */
    float max;
    double sum;
};

/* An open-addressing table; after token_counts_finish, n pairs by (feature,
 * vocab). */
struct token_counts_part {
    struct token_count *pairs;
    size_t n, capacity;
};

struct token_counts {
    size_t n_parts;
    struct token_counts_part *parts;
};

int token_counts_init(struct token_counts *t, size_t n_parts, struct err *e);
void token_counts_free(struct token_counts *t);

/* Adds one activation; 0, or ERR_MEMORY without a message. */
int token_counts_add(struct token_counts *t, size_t part, uint32_t feature,
                     uint32_t vocab, float value);

/* Call after the last add. */
void token_counts_finish(struct token_counts *t, const struct team *team);

/* After finish: strings[f] = different strings of feature f, of m. */
void token_counts_strings(const struct token_counts *t, uint64_t *strings,
                          size_t m);

/* After finish: the pairs to keep, by (vocab, feature), into *out (the
 * caller's free) and *n. `limit` holds for each of the four orders; vocab ids
 * are below n_vocab. */
int token_counts_select(const struct token_counts *t, struct token_count **out,
                        size_t *n, size_t m, size_t n_vocab, size_t limit,
                        struct err *e);

#endif
