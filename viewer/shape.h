/* SPDX-License-Identifier: MIT
 *
 * The shapes that stand in several answers (docs/api.md): token strings, rows
 * of the list, windows around an example.
 */
#ifndef VIEWER_SHAPE_H
#define VIEWER_SHAPE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/catalog.h"
#include "viewer/call.h"
#include "viewer/list.h"

enum {
    SHAPE_WINDOW = 16,       /* tokens on either side, unless asked otherwise */
    SHAPE_WINDOW_MAX = 32,   /* as far as levels are known around a 'top' one */
    SHAPE_FULL = 512,        /* 'full': a context is seldom longer */
    SHAPE_REACH = 16,        /* the same around examples that are not 'top' */
    SHAPE_SOURCE_WINDOW = 8, /* at most so many around a source */
    SHAPE_NAME = 32,         /* room for "L2H3" and "2:117" */
};

/* Members "text", "vocab" and what applies, from a row of vocab_column. With
 * `whole` a long text is not cut. */
void shape_string(struct call *c, json_t *object, const struct query *row,
                  bool whole);

/* The same, looked up by id; nothing is put if there is none. *count is how
 * often the string occurs. */
int shape_string_by_id(int64_t *count, struct call *c, json_t *object,
                       int64_t vocab, bool whole);

/* Under "tokens", the different strings of a feature's strongest examples, at
 * most four. head -1: all heads together. */
int shape_top_tokens(struct call *c, json_t *object, int64_t sae,
                     int64_t feature, int head);

/* A row of /api/features. head: whose shares and tokens to show, or -1. */
int shape_row(struct call *c, json_t *row, const struct list_item *item,
              int head);

/* Page of rows: members "total", "offset", "limit", "rows". */
int shape_rows(struct call *c, json_t *out, const struct list_wanted *wanted);

/* "L2H3" */
void shape_head_name(char out[SHAPE_NAME], int layer, int64_t head);

/* How examples are to be shown. */
struct shape_view {
    int64_t sae;
    int64_t window; /* tokens on either side */
    int64_t head;   /* whose sources alone to show, or -1 */
    int64_t reach;  /* how far from an example levels are known outside the
                       sample */
};

/* The parameter `window`: 0 to SHAPE_WINDOW_MAX, or 'full'. */
int shape_get_window(int64_t *out, struct call *c);

/* An example as `row` (example_column) has it, with its window, the feature's
 * levels there, null where they are not known, and its sources with the window
 * of the strongest. */
int shape_example(struct call *c, json_t *object, const struct query *row,
                  const struct shape_view *view);

/* All examples of a query that has been bound; ends it. */
int shape_examples(struct call *c, json_t *array, struct query *q,
                   const struct shape_view *view);

#endif
