/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 64, HUGE_PAGE = 2 << 20 };

static int keep(struct arena *a, void *block)
{
    if (a->n_blocks == a->capacity) {
        size_t capacity = a->capacity == 0 ? 16 : 2 * a->capacity;
        void **blocks = realloc(a->blocks, capacity * sizeof *blocks);
        if (blocks == NULL)
            return ERR_MEMORY;
        a->blocks = blocks;
        a->capacity = capacity;
    }
    a->blocks[a->n_blocks++] = block;
    return 0;
}

int arena_get(struct arena *a, void *out, size_t count, size_t size,
              const char *what, struct err *e)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) ||
        bytes > SIZE_MAX - ALIGNMENT)
        return err_memory(e, what, SIZE_MAX);
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (bytes == 0)
        bytes = ALIGNMENT;
    size_t alignment = ALIGNMENT;
    if (bytes >= HUGE_PAGE) {
        alignment = HUGE_PAGE;
        bytes = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    }
    void *block = aligned_alloc(alignment, bytes);
    if (block == NULL)
        return err_memory(e, what, bytes);
    /* Rows picked from a large array miss the translation cache of small pages;
     * the update of a training step is a quarter faster on huge ones. */
    if (bytes >= HUGE_PAGE)
        (void)madvise(block, bytes, MADV_HUGEPAGE);
    if (keep(a, block) != 0) {
        free(block);
        return err_memory(e, what, bytes);
    }
    memset(block, 0, bytes);
    a->bytes += bytes;
    memcpy(out, &block, sizeof block);
    return 0;
}

int arena_string(struct arena *a, char **out, const char *text, struct err *e)
{
    size_t size = strlen(text) + 1;
    TRY(arena_get(a, out, size, 1, "text", e));
    memcpy(*out, text, size);
    return 0;
}

int arena_list(struct arena *a, char ***out, size_t *n, const char *list,
               struct err *e)
{
    char *rest;
    size_t commas = 0;
    for (const char *at = list; *at != '\0'; at++)
        commas += *at == ',';
    TRY(arena_string(a, &rest, list, e));
    TRY(arena_get(a, out, commas + 1, sizeof **out, "list", e));
    for (*n = 0; rest != NULL;)
        (*out)[(*n)++] = strsep(&rest, ",");
    return 0;
}

void arena_free(struct arena *a)
{
    for (size_t i = 0; i < a->n_blocks; i++)
        free(a->blocks[i]);
    free(a->blocks);
    *a = (struct arena){0};
}
