/* SPDX-License-Identifier: MIT */
#include "encode/windows.h"

#include <stdlib.h>

static int by_first(const void *left, const void *right)
{
    const struct window *a = left, *b = right;
    return (a->first > b->first) - (a->first < b->first);
}

static struct window around(uint32_t token, const struct sample *sample,
                            uint32_t reach)
{
    size_t context = sample_context(sample, token);
    uint64_t begin = (uint64_t)sample->start[context];
    uint64_t end = (uint64_t)sample->start[context + 1];
    uint64_t first = token > begin + reach ? token - reach : begin;
    uint64_t last = (uint64_t)token + reach + 1;
    return (struct window){(uint32_t)first,
                           (uint32_t)(last < end ? last : end)};
}

/* Joins sorted windows that overlap; returns how many are left. */
static size_t merge(struct window *windows, size_t n)
{
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (used > 0 && windows[i].first <= windows[used - 1].end) {
            if (windows[i].end > windows[used - 1].end)
                windows[used - 1].end = windows[i].end;
        } else {
            windows[used++] = windows[i];
        }
    }
    return used;
}

static size_t add_windows(struct window *out, const struct windows_of *of,
                          size_t feature, const struct sample *sample)
{
    size_t used = 0;
    for (size_t slot = 0; slot < of->slots; slot++) {
        size_t n;
        const struct best_entry *list =
            best_list(of->examples, feature * of->slots + slot, &n);
        for (size_t i = 0; i < n; i++)
            out[used++] = around(list[i].id, sample, of->reach);
    }
    return used;
}

int windows_init(struct windows *w, const struct windows_of *of, size_t n_of,
                 size_t m, const struct sample *sample, struct err *e)
{
    *w = (struct windows){0};
    static const char what[] = "windows around examples";
    size_t each = 0; /* windows of a feature at most */
    for (size_t i = 0; i < n_of; i++)
        each += of[i].slots * of[i].examples->limit;
    int code = arena_get(&w->arena, &w->next, m, sizeof *w->next, what, e);
    if (code == 0)
        code = arena_get(&w->arena, &w->end, m, sizeof *w->end, what, e);
    if (code == 0)
        code = arena_get(&w->arena, &w->windows, m * each, sizeof *w->windows,
                         what, e);
    if (code != 0) {
        windows_free(w);
        return code;
    }
    for (size_t f = 0; f < m; f++) {
        struct window *mine = w->windows + f * each;
        size_t n = 0;
        for (size_t i = 0; i < n_of; i++)
            n += add_windows(mine + n, &of[i], f, sample);
        qsort(mine, n, sizeof *mine, by_first);
        w->next[f] = f * each;
        w->end[f] = w->next[f] + merge(mine, n);
    }
    return 0;
}

void windows_free(struct windows *w)
{
    arena_free(&w->arena);
    *w = (struct windows){0};
}

bool windows_contain(struct windows *w, size_t feature, uint32_t token)
{
    size_t *next = &w->next[feature];
    while (*next < w->end[feature] && w->windows[*next].end <= token)
        (*next)++;
    return *next < w->end[feature] && w->windows[*next].first <= token;
}
