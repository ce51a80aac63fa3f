/* SPDX-License-Identifier: MIT */
#include "viewer/prompt_cache.h"

#include <stdlib.h>
#include <string.h>

struct prompt_cached {
    struct prompt_cached *next;
    char *key, *text;
    size_t length, bytes; /* bytes: of all of it */
};

static void discard(struct prompt_cache *c, struct prompt_cached *one)
{
    c->bytes -= one->bytes;
    free(one->key);
    free(one->text);
    free(one);
}

/* Takes an answer out of the list; NULL: it is not there. */
static struct prompt_cached *take(struct prompt_cache *c, const char *key)
{
    for (struct prompt_cached **at = &c->first; *at != NULL;
         at = &(*at)->next) {
        struct prompt_cached *one = *at;
        if (strcmp(one->key, key) != 0)
            continue;
        *at = one->next;
        return one;
    }
    return NULL;
}

static void put_first(struct prompt_cache *c, struct prompt_cached *one)
{
    one->next = c->first;
    c->first = one;
}

char *prompt_cache_get(size_t *length, struct prompt_cache *c, const char *key)
{
    struct prompt_cached *one = take(c, key);
    if (one == NULL)
        return NULL;
    put_first(c, one);
    char *copy = malloc(one->length + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, one->text, one->length + 1);
    *length = one->length;
    return copy;
}

/* Leaves as many of the first as fit. */
static void cut(struct prompt_cache *c)
{
    size_t bytes = 0;
    struct prompt_cached **at = &c->first;
    while (*at != NULL && bytes + (*at)->bytes <= c->most) {
        bytes += (*at)->bytes;
        at = &(*at)->next;
    }
    while (*at != NULL) {
        struct prompt_cached *one = *at;
        *at = one->next;
        discard(c, one);
    }
}

void prompt_cache_put(struct prompt_cache *c, const char *key, const char *text,
                      size_t length)
{
    struct prompt_cached *one = take(c, key);
    if (one != NULL)
        discard(c, one);
    one = calloc(1, sizeof *one);
    if (one == NULL)
        return;
    one->key = strdup(key);
    one->text = malloc(length + 1);
    one->length = length;
    one->bytes = sizeof *one + strlen(key) + length + 2;
    c->bytes += one->bytes;
    if (one->key == NULL || one->text == NULL || one->bytes > c->most) {
        discard(c, one);
        return;
    }
    memcpy(one->text, text, length);
    one->text[length] = '\0';
    put_first(c, one);
    cut(c);
}

void prompt_cache_clear(struct prompt_cache *c)
{
    while (c->first != NULL) {
        struct prompt_cached *one = c->first;
        c->first = one->next;
        discard(c, one);
    }
}
