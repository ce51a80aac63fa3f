/* SPDX-License-Identifier: MIT
 *
 * Which numbers of a dump make up a row of training. A token gives one row, the
 * chosen heads of a layer side by side; or, where one SAE is shared by all
 * heads (O'Neill & Bui 2024), a row for each chosen head of each layer.
 */
#ifndef DUMP_VIEW_H
#define DUMP_VIEW_H

#include "dump/split.h"

/* Numbers [first, first + n) of a token's row in one of the view's layers. */
struct view_piece {
    size_t layer; /* index into view.layer */
    size_t first, n;
};

struct view {
    const struct dump *dump;
    size_t layers;
    int *layer;               /* [layers] as hook names number them */
    size_t parts;             /* rows that a token gives */
    size_t width;             /* numbers of a row */
    size_t pieces;            /* of a row */
    struct view_piece *piece; /* [parts][pieces] */
    /* Rows are what a head adds to the residual stream: [parts] the head's
     * W_O (d_head, width), to multiply z by; NULL: rows are z. */
    const float **w_o;
    struct arena arena;
};

/* The chosen heads of one layer side by side, ascending; n_heads 0: all. Keeps
 * the dump. */
int view_of_layer(struct view *v, const struct dump *d, int layer,
                  const int *heads, size_t n_heads, struct err *e);
/* A row for each chosen head of each layer. */
int view_of_heads(struct view *v, const struct dump *d, const int *layers,
                  size_t n_layers, const int *heads, size_t n_heads,
                  struct err *e);
/* Makes the rows of a view_of_heads those of z_h·W_O[h], d_model wide. Refuses
 * a dump without W_O. */
int view_take_result(struct view *v, struct err *e);
void view_free(struct view *v);

/* One row from the numbers of its pieces side by side: z as it is, or what its
 * head makes of it. `z` has view_z_width numbers; out (width). */
size_t view_z_width(const struct view *v);
void view_finish_row(const struct view *v, size_t part, const float *z,
                     float *out);

/* Rows that a set of tokens gives. */
uint64_t view_rows(const struct view *v, const struct row_set *s);

/* Reads rows [first, first + n) of what a set gives, token by token and part by
 * part, converted and checked: out (n, width). Any thread. */
int view_read(const struct view *v, const struct row_set *s, uint64_t first,
              size_t n, float *out, struct err *e);

#endif
