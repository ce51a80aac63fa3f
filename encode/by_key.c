/* SPDX-License-Identifier: MIT */
#include "encode/by_key.h"

#include <assert.h>

enum {
    RANGES_MAX = 256, /* open files */
    STAGED = 2048,    /* entries written or read at once */
    ENTRY_BYTES = 5,  /* while sorting */
};

static const char what[] = "rows of the database";

/* Ranges as large as `most` entries allow; with ranges NULL only counts them.
 */
static size_t divide(struct by_key_range *ranges, const uint64_t *counts,
                     size_t keys, uint64_t most)
{
    size_t n = 0, first = 0;
    uint64_t entries = 0;
    for (size_t k = 0; k <= keys; k++) {
        if (k == keys || (k > first && entries + counts[k] > most)) {
            if (ranges != NULL)
                ranges[n] = (struct by_key_range){
                    .first = first, .end = k, .entries = entries};
            n++;
            first = k;
            entries = 0;
        }
        if (k < keys)
            entries += counts[k];
    }
    return n;
}

static int make_ranges(struct by_key *b, size_t keys, uint64_t memory,
                       struct err *e)
{
    uint64_t total = 0, most = memory / ENTRY_BYTES;
    for (size_t k = 0; k < keys; k++)
        total += b->counts[k];
    /* Each range but the last is followed by a key that does not fit into it:
     * two together hold more than `most`. */
    if (most < total / (RANGES_MAX / 2 - 1))
        most = total / (RANGES_MAX / 2 - 1);
    b->n_ranges = divide(NULL, b->counts, keys, most);
    assert(b->n_ranges <= RANGES_MAX);
    TRY(arena_get(&b->arena, &b->ranges, b->n_ranges, sizeof *b->ranges, what,
                  e));
    (void)divide(b->ranges, b->counts, keys, most);
    for (size_t r = 0; r < b->n_ranges; r++)
        for (size_t k = b->ranges[r].first; k < b->ranges[r].end; k++)
            b->range_of[k] = (uint16_t)r;
    return 0;
}

static int open_files(struct by_key *b, const char *path, struct err *e)
{
    for (size_t r = 1; r < b->n_ranges; r++) {
        struct by_key_range *range = &b->ranges[r];
        TRY(arena_get(&b->arena, &range->staged, STAGED, sizeof *range->staged,
                      what, e));
        TRY(temporary_open(&range->file, path, 0, e));
    }
    return 0;
}

/* Where the entries of each key of a range begin. */
static void begin_range(struct by_key *b, size_t r)
{
    const struct by_key_range *range = &b->ranges[r];
    uint64_t at = 0;
    for (size_t k = range->first; k < range->end; k++) {
        b->next[k] = at;
        at += b->counts[k];
    }
    b->range = r;
    b->key = range->first;
    b->entry = 0;
}

static int init(struct by_key *b, size_t keys, uint64_t memory,
                const char *path, struct err *e)
{
    uint64_t largest = 0;
    TRY(arena_get(&b->arena, &b->range_of, keys, sizeof *b->range_of, what, e));
    TRY(arena_get(&b->arena, &b->next, keys, sizeof *b->next, what, e));
    TRY(make_ranges(b, keys, memory, e));
    for (size_t r = 0; r < b->n_ranges; r++)
        if (b->ranges[r].entries > largest)
            largest = b->ranges[r].entries;
    TRY(arena_get(&b->arena, &b->token, (size_t)largest, sizeof *b->token, what,
                  e));
    TRY(arena_get(&b->arena, &b->level, (size_t)largest, sizeof *b->level, what,
                  e));
    TRY(open_files(b, path, e));
    begin_range(b, 0);
    return 0;
}

int by_key_init(struct by_key *b, const uint64_t *counts, size_t keys,
                uint64_t memory, const char *path, struct err *e)
{
    *b = (struct by_key){.counts = counts};
    int code = init(b, keys, memory, path, e);
    if (code != 0)
        by_key_free(b);
    return code;
}

void by_key_free(struct by_key *b)
{
    for (size_t r = 0; b->ranges != NULL && r < b->n_ranges; r++)
        temporary_close(&b->ranges[r].file);
    arena_free(&b->arena);
    *b = (struct by_key){0};
}

static void place(struct by_key *b, struct by_key_entry entry)
{
    uint64_t at = b->next[entry.key]++;
    b->token[at] = entry.token;
    b->level[at] = entry.level;
}

static int write_staged(struct by_key_range *range, struct err *e)
{
    size_t n = range->n_staged;
    range->n_staged = 0;
    return temporary_write(&range->file, range->staged,
                           n * sizeof *range->staged, e);
}

int by_key_add(struct by_key *b, struct by_key_entry entry, struct err *e)
{
    size_t r = b->range_of[entry.key];
    if (r == 0) {
        place(b, entry);
        return 0;
    }
    struct by_key_range *range = &b->ranges[r];
    range->staged[range->n_staged++] = entry;
    return range->n_staged < STAGED ? 0 : write_staged(range, e);
}

/* Brings a range that waits in its file into memory. */
static int load_range(struct by_key *b, size_t r, struct err *e)
{
    struct by_key_range *range = &b->ranges[r];
    TRY(write_staged(range, e));
    TRY(temporary_rewind(&range->file, e));
    begin_range(b, r);
    for (uint64_t left = range->entries; left > 0;) {
        size_t n = left < STAGED ? (size_t)left : STAGED;
        TRY(temporary_read(&range->file, range->staged,
                           n * sizeof *range->staged, e));
        for (size_t i = 0; i < n; i++)
            place(b, range->staged[i]);
        left -= n;
    }
    temporary_close(&range->file);
    return 0;
}

int by_key_take(struct by_key *b, struct by_key_entry *out, size_t max,
                size_t *n, struct err *e)
{
    for (*n = 0; *n < max;) {
        if (b->key == b->ranges[b->range].end) {
            if (b->range + 1 == b->n_ranges)
                break;
            TRY(load_range(b, b->range + 1, e));
        }
        /* `next` has come to the key's end. */
        uint64_t end = b->next[b->key];
        for (; b->entry < end && *n < max; b->entry++)
            out[(*n)++] = (struct by_key_entry){
                (uint32_t)b->key, b->token[b->entry], b->level[b->entry]};
        b->key += b->entry == end;
    }
    return 0;
}
