/* SPDX-License-Identifier: MIT */
#include "encode/best.h"

#include <assert.h>
#include <math.h>

int best_init(struct best *b, size_t slots, size_t limit, struct err *e)
{
    assert(limit <= BEST_LIMIT_MAX);
    *b = (struct best){.limit = limit};
    size_t entries;
    if (__builtin_mul_overflow(slots, limit, &entries))
        return err_memory(e, "examples", SIZE_MAX);
    int code = arena_get(&b->arena, &b->entries, entries, sizeof *b->entries,
                         "examples", e);
    if (code == 0)
        code = arena_get(&b->arena, &b->n, slots, sizeof *b->n, "examples", e);
    if (code == 0)
        code = arena_get(&b->arena, &b->least, slots, sizeof *b->least,
                         "examples", e);
    for (size_t slot = 0; code == 0 && slot < slots; slot++)
        b->least[slot] = -INFINITY;
    if (code != 0)
        best_free(b);
    return code;
}

void best_free(struct best *b)
{
    arena_free(&b->arena);
    *b = (struct best){0};
}

bool best_before(const struct best_entry *a, const struct best_entry *b)
{
    if (a->score != b->score)
        return a->score > b->score;
    if (a->tie != b->tie)
        return a->tie > b->tie;
    return a->id < b->id;
}

void best_offer(struct best *b, size_t slot, struct best_entry entry)
{
    struct best_entry *list = b->entries + slot * b->limit;
    size_t n = b->n[slot], at = 0;
    if (n == b->limit && (n == 0 || !best_before(&entry, &list[n - 1])))
        return;
    while (at < n && list[at].key != entry.key)
        at++;
    /* Either it takes the place of its like, or of the last, or a new one. */
    if (at < n && !best_before(&entry, &list[at]))
        return;
    if (at == n && n < b->limit)
        b->n[slot]++;
    else if (at == n)
        at--;
    for (; at > 0 && best_before(&entry, &list[at - 1]); at--)
        list[at] = list[at - 1];
    list[at] = entry;
    if (b->n[slot] == b->limit)
        b->least[slot] = list[b->limit - 1].score;
}

void best_empty(struct best *b, size_t slot)
{
    b->n[slot] = 0;
    b->least[slot] = -INFINITY;
}

const struct best_entry *best_list(const struct best *b, size_t slot, size_t *n)
{
    *n = b->n[slot];
    return b->entries + slot * b->limit;
}
