/* SPDX-License-Identifier: MIT */
#include "dump/groups.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"
#include "dump/npy.h"
#include "dump/parts.h"

static int64_t number_at(const struct tensor *t, size_t i)
{
    int64_t wide;
    int32_t narrow;
    if (t->dtype == DTYPE_I64) {
        memcpy(&wide, (const char *)t->data + i * sizeof wide, sizeof wide);
        return wide;
    }
    memcpy(&narrow, (const char *)t->data + i * sizeof narrow, sizeof narrow);
    return narrow;
}

static int copy_numbers(int32_t **out, struct arena *a, const struct tensor *t,
                        const char *path, struct err *e)
{
    char shape[256];
    tensor_describe(shape, sizeof shape, t);
    if ((t->dtype != DTYPE_I32 && t->dtype != DTYPE_I64) || t->rank != 1)
        return err_set(e, ERR_INPUT,
                       "%s is %s; groups have one axis, contexts, and are i32 "
                       "or i64",
                       path, shape);
    size_t n = tensor_count(t);
    TRY(arena_get(a, out, n, sizeof **out, "groups", e));
    for (size_t i = 0; i < n; i++) {
        int64_t group = number_at(t, i);
        if (group < -1 || group >= DUMP_GROUPS_MAX)
            return err_set(e, ERR_INPUT,
                           "%s: context %zu is in group %" PRId64
                           ", outside -1..%d",
                           path, i, group, DUMP_GROUPS_MAX - 1);
        (*out)[i] = (int32_t)group;
    }
    return 0;
}

int groups_read(int32_t **of_context, uint64_t *n, struct arena *a,
                const char *path, struct err *e)
{
    struct npy file;
    TRY(npy_open(&file, path, e));
    int code = copy_numbers(of_context, a, &file.tensor, path, e);
    *n = tensor_count(&file.tensor);
    npy_close(&file);
    return code;
}

int groups_read_names(char ***names, size_t *n, struct arena *a,
                      const json_t *root, const char *path, struct err *e)
{
    json_t *list;
    TRY(json_need(&list, root, "groups", JSON_ARRAY, path, e));
    *n = json_array_size(list);
    TRY(arena_get(a, names, *n, sizeof **names, "names of groups", e));
    for (size_t i = 0; i < *n; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (name == NULL)
            return err_set(e, ERR_INPUT, "%s: 'groups' must be names", path);
        TRY(arena_string(a, &(*names)[i], name, e));
    }
    return groups_check_names(*names, *n, path, e);
}

json_t *groups_names_json(char *const *names, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        if (json_array_append_new(list, json_string(names[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

int groups_check_names(char *const *names, size_t n, const char *where,
                       struct err *e)
{
    if (n == 0 || n > DUMP_GROUPS_MAX)
        return err_set(e, ERR_INPUT, "%s: %zu groups; there can be 1 to %d",
                       where, n, DUMP_GROUPS_MAX);
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(names[i]);
        if (length == 0 || utf8_valid_prefix(names[i], length) != length)
            return err_set(e, ERR_INPUT, "%s: the name of group %zu is %s",
                           where, i, length == 0 ? "empty" : "not UTF-8");
        for (size_t j = 0; j < i; j++)
            if (strcmp(names[i], names[j]) == 0)
                return err_set(e, ERR_INPUT, "%s: two groups are called '%s'",
                               where, names[i]);
    }
    return 0;
}

int groups_check(const struct dump_groups *g, uint64_t n, uint64_t contexts,
                 const char *where, struct err *e)
{
    if (n != contexts)
        return err_set(e, ERR_INPUT,
                       "%s has groups of %" PRIu64 " contexts; there are "
                       "%" PRIu64,
                       where, n, contexts);
    for (uint64_t c = 0; c < n; c++)
        if (g->of_context[c] < -1 || g->of_context[c] >= (int32_t)g->n)
            return err_set(e, ERR_INPUT,
                           "%s: context %" PRIu64 " is in group %" PRId32
                           ", but there are names for %zu",
                           where, c, g->of_context[c], g->n);
    return 0;
}

/* ---- of the options ---- */

static int number_names(struct dump *d, uint64_t n, struct err *e)
{
    struct dump_groups *g = &d->groups;
    for (uint64_t c = 0; c < n; c++)
        if (g->of_context[c] >= (int32_t)g->n)
            g->n = (size_t)g->of_context[c] + 1;
    TRY(arena_get(&d->arena, &g->names, g->n, sizeof *g->names,
                  "names of groups", e));
    for (size_t i = 0; i < g->n; i++) {
        char name[24];
        (void)snprintf(name, sizeof name, "%zu", i);
        TRY(arena_string(&d->arena, &g->names[i], name, e));
    }
    return 0;
}

/* Another fingerprint, as it is not the same dump for who counts by group. */
static int add_fingerprint(struct dump *d, struct err *e)
{
    struct fingerprint f;
    char *out;
    TRY(arena_get(&d->arena, &out, FINGERPRINT_HEX, 1, "text", e));
    TRY(fingerprint_begin(&f, e));
    fingerprint_add(&f, d->info.fingerprint, strlen(d->info.fingerprint));
    for (size_t i = 0; i < d->groups.n; i++)
        fingerprint_add(&f, d->groups.names[i], strlen(d->groups.names[i]) + 1);
    fingerprint_add(&f, d->groups.of_context,
                    d->info.contexts * sizeof *d->groups.of_context);
    fingerprint_end(&f, out);
    d->info.fingerprint = out;
    return 0;
}

int dump_read_groups(struct dump *d, const struct dump_options *options,
                     struct err *e)
{
    const char *path = options->groups;
    uint64_t n;
    int32_t *of_context;
    if (path == NULL && options->group_names != NULL)
        return err_set(e, ERR_INPUT,
                       "--context-group-names names no --context-groups");
    if (path == NULL)
        return 0;
    TRY(groups_read(&of_context, &n, &d->arena, path, e));
    d->groups = (struct dump_groups){.of_context = of_context};
    if (options->group_names != NULL)
        TRY(arena_list(&d->arena, &d->groups.names, &d->groups.n,
                       options->group_names, e));
    else
        TRY(number_names(d, n, e));
    if (d->contexts == NULL)
        return err_set(
            e, ERR_INPUT,
            "--context-groups %s: the contexts of %s are not known; give "
            "--token-ids with two axes",
            path, d->info.path);
    TRY(groups_check_names(d->groups.names, d->groups.n, path, e));
    TRY(groups_check(&d->groups, n, d->info.contexts, path, e));
    return add_fingerprint(d, e);
}
