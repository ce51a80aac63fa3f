/* SPDX-License-Identifier: MIT */
#include "capture/bpe.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

static const uint64_t empty_slot = UINT64_MAX;

/* ---- token lists ---- */

int token_list_add(struct token_list *l, int32_t id, struct err *e)
{
    if (l->n == l->capacity) {
        size_t capacity = l->capacity == 0 ? 256 : 2 * l->capacity;
        int32_t *ids = realloc(l->ids, capacity * sizeof *ids);
        if (ids == NULL)
            return err_memory(e, "token ids", capacity * sizeof *ids);
        l->ids = ids;
        l->capacity = capacity;
    }
    l->ids[l->n++] = id;
    return 0;
}

void token_list_free(struct token_list *l)
{
    free(l->ids);
    *l = (struct token_list){0};
}

/* ---- the table of merges ---- */

static uint64_t pair_of(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

/* The slot of a pair: where it is, or the empty one where it would go. The
 * table is at most half full, so a search ends. */
static struct bpe_merge *slot_of(const struct bpe *b, uint64_t pair)
{
    /* Fibonacci hashing: 2^64 divided by the golden ratio. */
    size_t i = (size_t)(pair * UINT64_C(0x9E3779B97F4A7C15) >> 32) & b->mask;
    while (b->table[i].pair != pair && b->table[i].pair != empty_slot)
        i = (i + 1) & b->mask;
    return &b->table[i];
}

static size_t count_lines(const char *text, size_t size)
{
    size_t lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    return lines;
}

static int make_table(struct bpe *b, size_t merges, struct err *e)
{
    size_t slots = 16;
    while (slots < 2 * merges)
        slots *= 2;
    TRY(arena_get(&b->arena, &b->table, slots, sizeof *b->table, "merges", e));
    b->mask = slots - 1;
    for (size_t i = 0; i < slots; i++)
        b->table[i].pair = empty_slot;
    return 0;
}

/* The id of a string of vocab.json, or -1. */
static int32_t id_of(const json_t *ids, const char *text, size_t size)
{
    const json_t *id = json_object_getn(ids, text, size);
    return id == NULL ? -1 : (int32_t)json_integer_value(id);
}

/* One line "left right". The result of a merge is the token spelt by both. */
static int add_merge(struct bpe *b, const char *line, size_t size,
                     uint32_t rank, const json_t *ids, struct err *e)
{
    char joined[1024];
    const char *space = memchr(line, ' ', size);
    size_t left = space == NULL ? 0 : (size_t)(space - line);
    size_t right = space == NULL ? 0 : size - left - 1;
    if (left == 0 || right == 0 || memchr(space + 1, ' ', right) != NULL)
        return err_set(e, ERR_INPUT, "a merge is two tokens and one space");
    if (left + right > sizeof joined)
        return err_set(e, ERR_INPUT, "tokens beyond %zu bytes", sizeof joined);
    memcpy(joined, line, left);
    memcpy(joined + left, space + 1, right);
    int32_t l = id_of(ids, line, left), r = id_of(ids, space + 1, right);
    int32_t id = id_of(ids, joined, left + right);
    if (l < 0 || r < 0 || id < 0)
        return err_set(e, ERR_INPUT, "'%.*s' is not in vocab.json",
                       (int)(l < 0   ? left
                             : r < 0 ? right
                                     : left + right),
                       l < 0   ? line
                       : r < 0 ? space + 1
                               : joined);
    struct bpe_merge *m = slot_of(b, pair_of(l, r));
    if (m->pair != empty_slot)
        return err_set(e, ERR_INPUT, "repeats merge %" PRIu32, m->rank + 1);
    *m = (struct bpe_merge){pair_of(l, r), rank, id};
    return 0;
}

static int read_merges(struct bpe *b, const char *path, const char *text,
                       size_t size, const json_t *ids, struct err *e)
{
    static const char version[] = "#version";
    size_t lines = count_lines(text, size);
    if (lines > INT32_MAX)
        return err_set(e, ERR_INPUT, "%s: too many merges", path);
    TRY(make_table(b, lines, e));
    uint32_t rank = 0;
    for (size_t line = 1, at = 0; at < size; line++) {
        const char *start = text + at;
        const char *end = memchr(start, '\n', size - at);
        size_t length = end == NULL ? size - at : (size_t)(end - start);
        at += length + 1;
        if (length > 0 && start[length - 1] == '\r')
            length--;
        bool is_version = length >= sizeof version - 1 &&
                          memcmp(start, version, sizeof version - 1) == 0;
        if (length == 0 || is_version)
            continue;
        if (add_merge(b, start, length, rank++, ids, e) != 0)
            return err_prefix(e, "%s: line %zu", path, line);
    }
    return 0;
}

static int find_bytes(struct bpe *b, const struct vocab *vocab, struct err *e)
{
    for (int byte = 0; byte < 256; byte++)
        b->byte_id[byte] = -1;
    for (size_t id = 0; id < vocab->n; id++)
        if (vocab->length[id] == 1)
            b->byte_id[(unsigned char)vocab->text[id][0]] = (int32_t)id;
    for (int byte = 0; byte < 256; byte++)
        if (b->byte_id[byte] < 0)
            return err_set(e, ERR_INPUT,
                           "vocab.json has no token for byte 0x%02X: not a "
                           "byte-level vocabulary",
                           (unsigned)byte);
    return 0;
}

int bpe_open(struct bpe *b, const char *merges_path, const json_t *ids,
             const struct vocab *vocab, struct err *e)
{
    *b = (struct bpe){0};
    struct map m;
    TRY(find_bytes(b, vocab, e));
    TRY(map_open(&m, merges_path, e));
    int code =
        read_merges(b, merges_path, (const char *)m.data, m.size, ids, e);
    map_close(&m);
    if (code != 0)
        bpe_close(b);
    return code;
}

void bpe_close(struct bpe *b)
{
    arena_free(&b->arena);
    *b = (struct bpe){0};
}

/* ---- merging ----
 * The piece is a doubly linked list of symbols. A heap holds the merges that
 * were possible when they were put in, as rank << 32 | position, so that the
 * smallest key is the next merge. Merging leaves stale keys behind: they are
 * known by the pair at their position no longer having their rank. */

struct bpe_symbol {
    int32_t id;             /* -1: swallowed by the symbol to the left */
    uint32_t before, after; /* neighbours; `none` at the ends */
};

static const uint32_t none = UINT32_MAX;

static void heap_push(uint64_t *heap, size_t *n, uint64_t key)
{
    size_t i = (*n)++;
    for (; i > 0 && heap[(i - 1) / 2] > key; i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = key;
}

static uint64_t heap_pop(uint64_t *heap, size_t *n)
{
    uint64_t top = heap[0], last = heap[--*n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < *n; i = child) {
        if (child + 1 < *n && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= last)
            break;
        heap[i] = heap[child];
    }
    heap[i] = last;
    return top;
}

void bpe_scratch_free(struct bpe_scratch *s)
{
    free(s->symbols);
    free(s->heap);
    *s = (struct bpe_scratch){0};
}

static int scratch_grow(struct bpe_scratch *s, size_t size, struct err *e)
{
    if (size <= s->capacity)
        return 0;
    if (size >= none)
        return err_set(e, ERR_INPUT,
                       "a stretch of %zu bytes without a word boundary is too "
                       "long",
                       size);
    bpe_scratch_free(s);
    size_t capacity = size < 64 ? 64 : size;
    /* A merge takes one key out and puts at most two in, and there are fewer
     * merges than symbols. */
    s->symbols = malloc(capacity * sizeof *s->symbols);
    s->heap = malloc(2 * capacity * sizeof *s->heap);
    if (s->symbols == NULL || s->heap == NULL)
        return err_memory(e, "tokenizing", capacity * sizeof *s->symbols);
    s->capacity = capacity;
    return 0;
}

/* The merge of the symbol at `at` with the next one, or NULL. */
static const struct bpe_merge *merge_at(const struct bpe *b,
                                        const struct bpe_symbol *symbols,
                                        uint32_t at)
{
    const struct bpe_symbol *s = &symbols[at];
    if (s->id < 0 || s->after == none)
        return NULL;
    const struct bpe_merge *m =
        slot_of(b, pair_of(s->id, symbols[s->after].id));
    return m->pair == empty_slot ? NULL : m;
}

static void offer(const struct bpe *b, struct bpe_scratch *s, size_t *n_heap,
                  uint32_t at)
{
    const struct bpe_merge *m = merge_at(b, s->symbols, at);
    if (m != NULL)
        heap_push(s->heap, n_heap, (uint64_t)m->rank << 32 | at);
}

static void merge_all(const struct bpe *b, struct bpe_scratch *s, uint32_t size)
{
    struct bpe_symbol *symbols = s->symbols;
    size_t n_heap = 0;
    for (uint32_t i = 0; i < size; i++)
        offer(b, s, &n_heap, i);
    while (n_heap > 0) {
        uint64_t key = heap_pop(s->heap, &n_heap);
        uint32_t at = (uint32_t)key;
        const struct bpe_merge *m = merge_at(b, symbols, at);
        if (m == NULL || m->rank != key >> 32)
            continue;
        struct bpe_symbol *left = &symbols[at], *right = &symbols[left->after];
        left->id = m->id;
        left->after = right->after;
        right->id = -1;
        if (left->after != none)
            symbols[left->after].before = at;
        offer(b, s, &n_heap, at);
        if (left->before != none)
            offer(b, s, &n_heap, left->before);
    }
}

int bpe_encode(const struct bpe *b, struct bpe_scratch *s,
               struct token_list *out, const char *piece, size_t size,
               struct err *e)
{
    TRY(scratch_grow(s, size, e));
    for (size_t i = 0; i < size; i++)
        s->symbols[i] = (struct bpe_symbol){
            .id = b->byte_id[(unsigned char)piece[i]],
            .before = i == 0 ? none : (uint32_t)i - 1,
            .after = i + 1 == size ? none : (uint32_t)i + 1,
        };
    merge_all(b, s, (uint32_t)size);
    for (uint32_t i = 0; size > 0 && i != none; i = s->symbols[i].after)
        TRY(token_list_add(out, s->symbols[i].id, e));
    return 0;
}
