/* SPDX-License-Identifier: MIT
 *
 * How often and how strongly each feature is active at each token string, over
 * all tokens.
 *
 * Features are divided into fixed parts, each with a table of its own; a part
 * may be fed from one thread at a time. A table that outgrows its share of the
 * memory is written to a temporary file as a sorted run, and begins anew;
 * reading merges the runs. Sums are whole numbers of 2^-60, so that they do not
 * depend on where runs end.
 *
 * Call order: init; add; check after each round of adds; finish; then walks,
 * from any thread.
 */
#ifndef ENCODE_TOKEN_COUNTS_H
#define ENCODE_TOKEN_COUNTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/team.h"
#include "encode/temporary.h"

/* What is counted of a pair of feature and string. */
struct token_count {
    uint32_t feature, vocab;
    uint32_t count;
    float max;
    double sum;
};

/* The same, exactly. count 0: an empty place of a table. */
struct token_counts_pair {
    uint32_t feature, vocab;
    uint32_t count;
    float max;
    unsigned __int128 sum; /* of 2^-60 */
};

/* Sorted pairs in the temporary file. */
struct token_counts_run {
    uint64_t offset, n;
};

struct token_counts_part {
    struct token_counts_pair *pairs; /* an open-addressing table; after finish
                                        n of them, sorted */
    size_t n, capacity;
    struct token_counts_run *runs; /* [n_runs], by time */
    size_t n_runs, runs_capacity;
    int code; /* of the first failure */
    struct err e;
};

struct token_counts {
    size_t n_parts;
    struct token_counts_part *parts;
    size_t most; /* places of a table */
    struct temporary file;
    _Atomic uint64_t end; /* of the file */
};

/* 32 bytes a pair in tables that are at most three quarters full, all of them
 * in `memory`; but a table has at least 256 places. The file lies beside
 * `path`, which is kept. On failure nothing is held. */
int token_counts_init(struct token_counts *t, size_t n_parts, uint64_t memory,
                      const char *path, struct err *e);
void token_counts_free(struct token_counts *t);

/* Adds one activation. An activation above 2^34 counts as 2^34 in the sum. */
void token_counts_add(struct token_counts *t, size_t part, uint32_t feature,
                      uint32_t vocab, float value);
/* Fetches the memory of an add that follows. */
void token_counts_prefetch(const struct token_counts *t, size_t part,
                           uint32_t feature, uint32_t vocab);
/* Whether all adds could be done. */
int token_counts_check(const struct token_counts *t, struct err *e);

/* Call after the last add. */
void token_counts_finish(struct token_counts *t, const struct team *team);

/* The pairs of one part after the other, by (feature, vocab) if parts are
 * ranges of features. */
struct token_counts_cursor {
    const struct token_counts_pair *at, *end;
    struct token_counts_pair *buffer; /* of a run, else NULL */
    struct token_counts_run rest;     /* what is not in the buffer */
};
struct token_counts_walk {
    const struct token_counts *t;
    size_t part;                         /* to be begun next */
    struct token_counts_cursor *cursors; /* of this part: table and runs */
    size_t n_cursors;
    int code;
    struct err *e;
};
void token_counts_walk_begin(struct token_counts_walk *w,
                             const struct token_counts *t, struct err *e);
/* The next pair; false after the last, and after a failure. */
bool token_counts_walk_next(struct token_counts_walk *w,
                            struct token_count *out);
/* Returns the failure, or 0. */
int token_counts_walk_end(struct token_counts_walk *w);

/* Of each feature f of m, whose parts are ranges of features: strings[f], how
 * many different strings it has, and entropy[f], in bits, of the strings of its
 * active tokens; NaN if there are none. */
int token_counts_strings(const struct token_counts *t, uint64_t *strings,
                         double *entropy, size_t m, struct err *e);

#endif
