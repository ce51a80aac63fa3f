/* SPDX-License-Identifier: MIT */
#include "dump/view.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

static int view_init(struct view *v, const struct dump *d, size_t layers,
                     size_t parts, size_t pieces, struct err *e)
{
    *v = (struct view){
        .dump = d, .layers = layers, .parts = parts, .pieces = pieces};
    TRY(arena_get(&v->arena, &v->layer, layers, sizeof *v->layer, "layers", e));
    return arena_get(&v->arena, &v->piece, parts * pieces, sizeof *v->piece,
                     "heads", e);
}

/* Head i of those chosen. */
static size_t chosen(const int *heads, size_t n_heads, size_t i)
{
    return n_heads > 0 ? (size_t)heads[i] : i;
}

int view_of_layer(struct view *v, const struct dump *d, int layer,
                  const int *heads, size_t n_heads, struct err *e)
{
    const struct dump_info *info = dump_info(d);
    size_t d_head = (size_t)info->d_head, all = (size_t)info->heads;
    bool whole = n_heads == 0 || n_heads == all;
    size_t pieces = whole ? 1 : n_heads;
    int code = view_init(v, d, 1, 1, pieces, e);
    if (code != 0) {
        view_free(v);
        return code;
    }
    v->layer[0] = layer;
    v->width = (whole ? all : n_heads) * d_head;
    if (whole)
        v->piece[0] = (struct view_piece){0, 0, all * d_head};
    for (size_t i = 0; !whole && i < n_heads; i++)
        v->piece[i] = (struct view_piece){0, (size_t)heads[i] * d_head, d_head};
    return 0;
}

int view_of_heads(struct view *v, const struct dump *d, const int *layers,
                  size_t n_layers, const int *heads, size_t n_heads,
                  struct err *e)
{
    const struct dump_info *info = dump_info(d);
    size_t d_head = (size_t)info->d_head;
    size_t count = n_heads > 0 ? n_heads : (size_t)info->heads;
    int code = view_init(v, d, n_layers, n_layers * count, 1, e);
    if (code != 0) {
        view_free(v);
        return code;
    }
    memcpy(v->layer, layers, n_layers * sizeof *layers);
    v->width = d_head;
    for (size_t l = 0; l < n_layers; l++)
        for (size_t i = 0; i < count; i++)
            v->piece[l * count + i] = (struct view_piece){
                l, chosen(heads, n_heads, i) * d_head, d_head};
    return 0;
}

int view_take_result(struct view *v, struct err *e)
{
    const struct dump_info *info = dump_info(v->dump);
    size_t d_model = (size_t)info->d_model;
    TRY(arena_get(&v->arena, &v->w_o, v->parts, sizeof *v->w_o, "W_O", e));
    for (size_t p = 0; p < v->parts; p++) {
        const struct view_piece *piece = &v->piece[p];
        const float *w_o = dump_w_o(v->dump, v->layer[piece->layer]);
        if (w_o == NULL)
            return err_set(e, ERR_INPUT,
                           "%s: holds no W_O to make results with; capture it "
                           "anew, or train on z",
                           info->path);
        /* Head h begins at number h·d_head of z, and its W_O at that row. */
        v->w_o[p] = w_o + piece->first * d_model;
    }
    v->width = d_model;
    return 0;
}

size_t view_z_width(const struct view *v)
{
    size_t width = 0;
    for (size_t i = 0; i < v->pieces; i++)
        width += v->piece[i].n;
    return width;
}

void view_finish_row(const struct view *v, size_t part, const float *z,
                     float *out)
{
    if (v->w_o == NULL) {
        memcpy(out, z, v->width * sizeof *out);
        return;
    }
    const float *row = v->w_o[part];
    memset(out, 0, v->width * sizeof *out);
    for (size_t j = 0; j < v->piece[part].n; j++, row += v->width)
        kernels.add_scaled(out, z[j], row, v->width);
}

void view_free(struct view *v)
{
    arena_free(&v->arena);
    *v = (struct view){0};
}

uint64_t view_rows(const struct view *v, const struct row_set *s)
{
    return row_set_total(s) * v->parts;
}

/* Tokens read in one go. */
enum { TOKENS = 64 };

/* Makes the rows [from, to) of the tokens in `whole` (layers, TOKENS, full
 * width), counted from the first token's first; z is scratch. */
static void cut_rows(const struct view *v, const float *whole, size_t full,
                     size_t from, size_t to, float *z, float *out)
{
    for (size_t u = from; u < to; u++, out += v->width) {
        size_t token = u / v->parts, part = u % v->parts;
        float *at = z;
        for (size_t i = 0; i < v->pieces; i++) {
            const struct view_piece *p = &v->piece[part * v->pieces + i];
            const float *row = whole + (p->layer * TOKENS + token) * full;
            memcpy(at, row + p->first, p->n * sizeof *at);
            at += p->n;
        }
        view_finish_row(v, part, z, out);
    }
}

int view_read(const struct view *v, const struct row_set *s, uint64_t first,
              size_t n, float *out, struct err *e)
{
    const struct dump_info *info = dump_info(v->dump);
    size_t full = (size_t)info->heads * (size_t)info->d_head;
    /* The tokens, and one row's z behind them. */
    size_t size = v->layers * TOKENS * full + view_z_width(v);
    float *whole = malloc(size * sizeof *whole);
    if (whole == NULL)
        return err_memory(e, "rows", size * sizeof *whole);
    int code = 0;
    while (code == 0 && n > 0) {
        uint64_t token = first / v->parts;
        size_t from = (size_t)(first % v->parts);
        size_t rows = TOKENS * v->parts - from;
        rows = rows < n ? rows : n;
        size_t tokens = (from + rows + v->parts - 1) / v->parts;
        for (size_t l = 0; code == 0 && l < v->layers; l++)
            code = row_set_read(s, v->dump, v->layer[l], token, tokens,
                                whole + l * TOKENS * full, e);
        if (code == 0)
            cut_rows(v, whole, full, from, from + rows,
                     whole + v->layers * TOKENS * full, out);
        out += rows * v->width;
        first += rows;
        n -= rows;
    }
    free(whole);
    return code;
}
