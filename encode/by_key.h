/* SPDX-License-Identifier: MIT
 *
 * Brings entries that come in token order into the order of a key, tokens
 * rising within it, when it is known how many each key has: a counting sort. If
 * they do not fit into memory, keys are divided into ranges; the first is
 * sorted as entries come, the others wait in temporary files, 12 bytes an
 * entry, and are sorted one after the other when it is their turn.
 *
 * Call order: init; add all entries; take until there are none. One thread at a
 * time.
 */
#ifndef ENCODE_BY_KEY_H
#define ENCODE_BY_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "encode/temporary.h"

struct by_key_entry {
    uint32_t key, token;
    uint8_t level; /* or whatever comes with it */
};

/* A range of keys. */
struct by_key_range {
    size_t first, end; /* keys [first, end) */
    uint64_t entries;
    struct temporary file;       /* of all but the first range */
    struct by_key_entry *staged; /* for the file */
    size_t n_staged;
};

struct by_key {
    const uint64_t *counts; /* (keys) */
    size_t n_ranges;
    struct by_key_range *ranges;
    uint16_t *range_of; /* (keys) */
    uint64_t *next;     /* (keys) where the next entry of a key in the range
                           that is being sorted goes */
    uint32_t *token;    /* (entries of the largest range) */
    uint8_t *level;     /* the same */
    size_t range, key;  /* taken so far: within this range and key, */
    uint64_t entry;     /* up to this entry of the range */
    struct arena arena;
};

/* 5 bytes an entry; ranges are made to fit into `memory`, as far as single keys
 * and 256 ranges allow. Files lie beside `path`. Keeps counts (keys) and path.
 * On failure nothing is held. */
int by_key_init(struct by_key *b, const uint64_t *counts, size_t keys,
                uint64_t memory, const char *path, struct err *e);
void by_key_free(struct by_key *b);

int by_key_add(struct by_key *b, struct by_key_entry entry, struct err *e);

/* The next *n entries, at most max; 0 after the last. */
int by_key_take(struct by_key *b, struct by_key_entry *out, size_t max,
                size_t *n, struct err *e);

#endif
