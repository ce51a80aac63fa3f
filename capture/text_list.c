/* SPDX-License-Identifier: MIT */
#include "capture/text_list.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/output.h"

static bool ends_in(const char *path, const char *ending)
{
    size_t whole = strlen(path), part = strlen(ending);
    return whole > part && strcmp(path + whole - part, ending) == 0;
}

bool text_list_is_jsonl(const char *path)
{
    return ends_in(path, ".jsonl");
}

static int keep(const struct dirent *d)
{
    return d->d_name[0] != '.' &&
           (ends_in(d->d_name, ".txt") || text_list_is_jsonl(d->d_name));
}

/* By bytes: the same order whatever the locale. */
static int compare(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int add(struct text_list *l, const char *path, struct err *e)
{
    if (l->n == l->capacity) { /* the old list stays in the arena */
        size_t capacity = l->n == 0 ? 16 : 2 * l->n;
        char **longer;
        TRY(arena_get(&l->arena, &longer, capacity, sizeof *longer, "texts",
                      e));
        if (l->n > 0)
            memcpy(longer, l->paths, l->n * sizeof *longer);
        l->paths = longer;
        l->capacity = capacity;
    }
    return arena_string(&l->arena, &l->paths[l->n++], path, e);
}

static int add_entries(struct text_list *l, const char *folder,
                       struct dirent *const *entries, int n, struct err *e)
{
    size_t before = l->n;
    for (int i = 0; i < n; i++) {
        char path[OUTPUT_PATH_MAX];
        struct stat st;
        TRY(output_join(path, folder, entries[i]->d_name, e));
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            continue;
        TRY(add(l, path, e));
    }
    if (l->n == before)
        return err_set(e, ERR_INPUT,
                       "--text %s: no .txt and no .jsonl file in this folder",
                       folder);
    return 0;
}

static int add_folder(struct text_list *l, const char *folder, struct err *e)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, keep, compare);
    if (n < 0)
        return err_errno(e, "cannot read folder %s", folder);
    int code = add_entries(l, folder, entries, n, e);
    for (int i = 0; i < n; i++)
        free(entries[i]);
    free(entries);
    return code;
}

static int add_any(struct text_list *l, const char *path, struct err *e)
{
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return add_folder(l, path, e);
    return add(l, path, e);
}

static int add_all(struct text_list *l, const char *list, struct err *e)
{
    char **items;
    size_t n;
    if (access(list, F_OK) == 0)
        return add_any(l, list, e);
    TRY(arena_list(&l->arena, &items, &n, list, e));
    for (size_t i = 0; i < n; i++)
        TRY(add_any(l, items[i], e));
    return 0;
}

int text_list_open(struct text_list *l, const char *list, struct err *e)
{
    *l = (struct text_list){0};
    int code = add_all(l, list, e);
    if (code != 0)
        text_list_close(l);
    return code;
}

void text_list_close(struct text_list *l)
{
    arena_free(&l->arena);
    *l = (struct text_list){0};
}
