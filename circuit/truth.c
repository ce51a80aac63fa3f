/* SPDX-License-Identifier: MIT */
#include "circuit/truth.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

enum { WHERE_MAX = 320 };

static int find_head(size_t *head, const struct task *t, int64_t layer,
                     int64_t number, const char *where, struct err *e)
{
    int64_t l = layer - t->first_layer;
    if (l < 0 || l >= t->layers || number < 0 || number >= t->layer_heads)
        return err_set(e, ERR_INPUT,
                       "%s: head L%" PRId64 "H%" PRId64
                       ", but the dump has layers %d to %d of %d heads",
                       where, layer, number, t->first_layer,
                       t->first_layer + t->layers - 1, t->layer_heads);
    *head = (size_t)(l * t->layer_heads + number);
    return 0;
}

/* [2, 1] or "L2H1". */
static int read_name(size_t *head, const struct task *t, const json_t *name,
                     const char *where, struct err *e)
{
    long long layer = -1, number = -1;
    char rest;
    const json_t *l = json_array_get(name, 0), *h = json_array_get(name, 1);
    bool good =
        json_is_string(name) && sscanf(json_string_value(name), "L%lldH%lld%c",
                                       &layer, &number, &rest) == 2;
    if (json_array_size(name) == 2 && json_is_integer(l) &&
        json_is_integer(h)) {
        layer = json_integer_value(l);
        number = json_integer_value(h);
        good = true;
    }
    if (!good)
        return err_set(e, ERR_INPUT,
                       "%s: a head must be [layer, head] or \"L2H1\"", where);
    return find_head(head, t, layer, number, where, e);
}

static int read_circuit(bool *truth, const struct task *t, const json_t *list,
                        const char *path, struct err *e)
{
    const json_t *name;
    size_t i, head = 0;
    if (!json_is_array(list))
        return err_set(e, ERR_INPUT, "%s: 'circuit' must be an array of heads",
                       path);
    json_array_foreach(list, i, name)
    {
        char where[WHERE_MAX];
        (void)snprintf(where, sizeof where, "%.260s: circuit: entry %zu", path,
                       i);
        TRY(read_name(&head, t, name, where, e));
        truth[head] = true;
    }
    return 0;
}

static int read_heads(bool *truth, const struct task *t, const json_t *list,
                      const char *path, struct err *e)
{
    const json_t *entry;
    size_t i, head = 0, found = 0;
    if (!json_is_array(list))
        return err_set(e, ERR_INPUT, "%s: 'heads' must be an array", path);
    json_array_foreach(list, i, entry)
    {
        char where[WHERE_MAX];
        int64_t layer, number;
        bool in;
        (void)snprintf(where, sizeof where, "%.260s: heads: entry %zu", path,
                       i);
        TRY(json_need_int(&layer, entry, "layer", 0, INT32_MAX, where, e));
        TRY(json_need_int(&number, entry, "head", 0, INT32_MAX, where, e));
        TRY(json_need_bool(&in, entry, "in_circuit", where, e));
        TRY(find_head(&head, t, layer, number, where, e));
        truth[head] = in;
        found++;
    }
    if (found < t->heads)
        return err_set(e, ERR_INPUT,
                       "%s: 'heads' has %zu of the dump's %zu heads; give all, "
                       "or those of the circuit as 'circuit'",
                       path, found, t->heads);
    return 0;
}

static int read_root(bool *truth, const struct task *t, const json_t *root,
                     const char *path, struct err *e)
{
    const json_t *circuit = json_object_get(root, "circuit");
    const json_t *heads = json_object_get(root, "heads");
    size_t n = 0;
    memset(truth, 0, t->heads * sizeof *truth);
    if (circuit == NULL && heads == NULL)
        return err_set(e, ERR_INPUT, "%s: neither 'circuit' nor 'heads' in it",
                       path);
    if (circuit != NULL)
        TRY(read_circuit(truth, t, circuit, path, e));
    else
        TRY(read_heads(truth, t, heads, path, e));
    for (size_t h = 0; h < t->heads; h++)
        n += truth[h];
    if (n == 0 || n == t->heads)
        return err_set(
            e, ERR_INPUT,
            "%s: the circuit has %zu of %zu heads, which nothing can "
            "be measured against",
            path, n, t->heads);
    return 0;
}

int truth_read(bool *truth, const struct task *t, const char *path,
               struct err *e)
{
    json_t *root;
    TRY(json_read(&root, path, e));
    int code = read_root(truth, t, root, path, e);
    json_decref(root);
    return code;
}

static int read_effect(double *effect, const struct task *t,
                       const json_t *entry, const char *path, struct err *e)
{
    const json_t *change = json_object_get(
        json_object_get(entry, "mean_ablate"), "fraction_of_gap");
    int64_t layer, number;
    size_t head = 0;
    TRY(json_need_int(&layer, entry, "layer", 0, INT32_MAX, path, e));
    TRY(json_need_int(&number, entry, "head", 0, INT32_MAX, path, e));
    TRY(find_head(&head, t, layer, number, path, e));
    if (json_is_number(change))
        effect[head] = json_number_value(change);
    return 0;
}

int truth_read_effects(double *effect, const struct task *t, const char *path,
                       struct err *e)
{
    json_t *root;
    TRY(json_read(&root, path, e));
    const json_t *entry;
    size_t i;
    int code = 0;
    for (size_t h = 0; h < t->heads; h++)
        effect[h] = (double)NAN;
    json_array_foreach(json_object_get(root, "heads"), i, entry)
    {
        if (code == 0)
            code = read_effect(effect, t, entry, path, e);
    }
    json_decref(root);
    return code;
}
