/* SPDX-License-Identifier: MIT */
#include "capture/texts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/output.h"
#include "base/utf8.h"

/* The paths of a list into paths[x->n]. */
static int split(struct texts *x, char ***paths, const char *list,
                 struct err *e)
{
    TRY(arena_list(&x->arena, paths, &x->n, list, e));
    if (access(list, F_OK) == 0) { /* a comma in its name */
        x->n = 1;
        TRY(arena_string(&x->arena, *paths, list, e));
    }
    return arena_get(&x->arena, &x->names, x->n, sizeof *x->names, "texts", e);
}

static int set_name(struct texts *x, size_t i, const char *path, struct err *e)
{
    char name[OUTPUT_PATH_MAX];
    output_base_name(name, sizeof name, path);
    utf8_repair(name); /* a manifest is JSON */
    for (size_t j = 0; j < i; j++)
        if (strcmp(x->names[j], name) == 0)
            return err_set(e, ERR_INPUT,
                           "--text: two files are called %s; their names tell "
                           "the groups of contexts apart",
                           name);
    return arena_string(&x->arena, &x->names[i], name, e);
}

/* Gives an array room for n elements; an old one is kept on failure. */
static int grow(void *array, size_t n, size_t size, struct err *e)
{
    void *old, *new;
    memcpy(&old, array, sizeof old);
    new = realloc(old, n * size);
    if (new == NULL)
        return err_memory(e, "contexts", n * size);
    memcpy(array, &new, sizeof new);
    return 0;
}

/* Puts the contexts of text i behind those that are there. */
static int append(struct texts *x, size_t i, const struct contexts *more,
                  struct err *e)
{
    struct contexts *all = &x->contexts;
    TRY(grow(&all->ids, all->tokens + more->tokens, sizeof *all->ids, e));
    TRY(grow(&all->starts, all->n + more->n + 1, sizeof *all->starts, e));
    TRY(grow(&x->text, all->n + more->n, sizeof *x->text, e));
    memcpy(all->ids + all->tokens, more->ids, more->tokens * sizeof *more->ids);
    for (size_t c = 0; c <= more->n; c++)
        all->starts[all->n + c] = (int64_t)all->tokens + more->starts[c];
    for (size_t c = 0; c < more->n; c++)
        x->text[all->n + c] = (int32_t)i;
    all->tokens += more->tokens;
    all->n += more->n;
    return 0;
}

static int read_all(struct texts *x, const struct tokenizer *t,
                    const char *list, const struct contexts_options *o,
                    struct err *e)
{
    char **paths;
    TRY(split(x, &paths, list, e));
    for (size_t i = 0; i < x->n; i++)
        TRY(set_name(x, i, paths[i], e));
    for (size_t i = 0; i < x->n; i++) {
        struct contexts one;
        TRY(contexts_read(&one, t, paths[i], o, e));
        int code = append(x, i, &one, e);
        contexts_free(&one);
        TRY(code);
    }
    return 0;
}

int texts_read(struct texts *x, const struct tokenizer *t, const char *list,
               const struct contexts_options *o, struct err *e)
{
    *x = (struct texts){0};
    int code = read_all(x, t, list, o, e);
    if (code != 0)
        texts_free(x);
    return code;
}

void texts_free(struct texts *x)
{
    contexts_free(&x->contexts);
    free(x->text);
    arena_free(&x->arena);
    *x = (struct texts){0};
}
