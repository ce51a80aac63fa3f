/* SPDX-License-Identifier: MIT */
#include "sae/rows.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

enum { NUMBERS_MAX = 4096 }; /* layers, and heads of one */

/* The first `n` numbers of an array, each in a range. */
static int take_numbers(int *out, size_t n, const json_t *array,
                        const char *what, const int range[2],
                        const struct sae *s, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(array, i);
        json_int_t number = json_is_integer(value) ? json_integer_value(value)
                                                   : (json_int_t)range[0] - 1;
        if (number < range[0] || number > range[1])
            return err_set(e, ERR_INPUT,
                           "%s was trained on %s that the dump does not have",
                           s->name, what);
        out[i] = (int)number;
    }
    return 0;
}

/* From headscope.json's "rows". The list of heads is that of one layer, once
 * for each layer where there are several. */
static int recorded_view(struct view *v, const struct dump *d,
                         const struct sae *s, int layer, const json_t *rows,
                         struct err *e)
{
    const struct dump_info *info = dump_info(d);
    const int layer_range[2] = {info->first_layer,
                                info->first_layer + info->layers - 1};
    const int head_range[2] = {0, info->heads - 1};
    int layers[NUMBERS_MAX], heads[NUMBERS_MAX];
    const char *kind;
    TRY(json_need_string(&kind, rows, "kind", s->name, e));
    const json_t *layer_list = json_object_get(rows, "layers");
    const json_t *head_list = json_object_get(rows, "heads");
    bool each = strcmp(kind, "heads") == 0 || strcmp(kind, "results") == 0;
    if (!each && strcmp(kind, "layer") != 0 && strcmp(kind, "head") != 0)
        return err_set(e, ERR_INPUT,
                       "%s: headscope.json: unknown kind of rows '%.40s'",
                       s->name, kind);
    size_t n_layers = each ? json_array_size(layer_list) : 1;
    size_t n_heads = json_array_size(head_list) / (n_layers > 0 ? n_layers : 1);
    if (n_layers == 0 || n_layers > NUMBERS_MAX || n_heads == 0 ||
        n_heads > NUMBERS_MAX)
        return err_set(e, ERR_INPUT,
                       "%s: headscope.json: rows have no layers or no heads",
                       s->name);
    TRY(take_numbers(heads, n_heads, head_list, "heads", head_range, s, e));
    if (!each)
        return view_of_layer(v, d, layer, heads, n_heads, e);
    TRY(take_numbers(layers, n_layers, layer_list, "layers", layer_range, s,
                     e));
    TRY(view_of_heads(v, d, layers, n_layers, heads, n_heads, e));
    return strcmp(kind, "results") == 0 ? view_take_result(v, e) : 0;
}

/* Of another trainer: all heads of a layer, or the one that cfg.json names. */
static int foreign_view(struct view *v, const struct dump *d,
                        const struct sae *s, int layer, struct err *e)
{
    const struct dump_info *info = dump_info(d);
    if (s->head < 0)
        return view_of_layer(v, d, layer, NULL, 0, e);
    if (s->head >= info->heads)
        return err_set(e, ERR_INPUT,
                       "%s is for head %d (hook_head_index), but %s has %d "
                       "heads",
                       s->name, s->head, info->path, info->heads);
    return view_of_layer(v, d, layer, &s->head, 1, e);
}

static int check_width(const struct view *v, const struct sae *s, struct err *e)
{
    const struct dump_info *info = dump_info(v->dump);
    if (s->d == v->width)
        return 0;
    return err_set(
        e, ERR_INPUT,
        "%s takes rows of width %zu, but those of %s have %d heads x "
        "%d = %zu",
        s->name, s->d, info->path, info->heads, info->d_head, v->width);
}

int rows_of_sae(struct view *v, const struct dump *d, const struct sae *s,
                int layer, struct err *e)
{
    json_t *own =
        s->headscope != NULL ? json_loads(s->headscope, 0, NULL) : NULL;
    const json_t *rows = json_object_get(own, "rows");
    *v = (struct view){0};
    int code = rows != NULL ? recorded_view(v, d, s, layer, rows, e)
                            : foreign_view(v, d, s, layer, e);
    json_decref(own);
    if (code == 0)
        code = check_width(v, s, e);
    if (code != 0)
        view_free(v);
    return code;
}
