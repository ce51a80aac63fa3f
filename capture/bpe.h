/* SPDX-License-Identifier: MIT
 *
 * Byte pair encoding: the merges of a byte-level vocabulary, applied to one
 * piece of text. Always the pair of lowest rank merges next, the leftmost
 * first among equals, as in Hugging Face tokenizers; a piece of n bytes costs
 * O(n log n), however hostile.
 *
 * A loaded table is constant: any number of threads may use it, each with its
 * own scratch.
 */
#ifndef CAPTURE_BPE_H
#define CAPTURE_BPE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"
#include "dump/vocab.h"

/* Two neighbouring tokens and what they become. */
struct bpe_merge {
    uint64_t pair; /* left << 32 | right; UINT64_MAX: an empty slot */
    uint32_t rank; /* line of merges.txt: the lower the earlier */
    int32_t id;
};

struct bpe {
    int32_t byte_id[256];    /* the token that is this byte alone */
    struct bpe_merge *table; /* [mask + 1], open addressing */
    size_t mask;
    struct arena arena;
};

/* A growing list of token ids. Zero it to begin. */
struct token_list {
    int32_t *ids;
    size_t n, capacity;
};
int token_list_add(struct token_list *l, int32_t id, struct err *e);
void token_list_free(struct token_list *l);

/* Working memory of one thread, grown to the longest piece. Zero it to begin.
 */
struct bpe_scratch {
    struct bpe_symbol *symbols; /* [capacity] */
    uint64_t *heap;             /* [2 × capacity] */
    size_t capacity;
};
void bpe_scratch_free(struct bpe_scratch *s);

/* Reads merges.txt. `ids` is the object of vocab.json (string → id), `vocab`
 * the same as vocab_read checked it, as bytes. A byte without a token, or a
 * merge whose parts or result are no tokens, is an error. */
int bpe_open(struct bpe *b, const char *merges_path, const json_t *ids,
             const struct vocab *vocab, struct err *e);
void bpe_close(struct bpe *b);

/* Appends the tokens of one piece of text. */
int bpe_encode(const struct bpe *b, struct bpe_scratch *s,
               struct token_list *out, const char *piece, size_t size,
               struct err *e);

#endif
