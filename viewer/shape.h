/* SPDX-License-Identifier: MIT
 *
 * The shapes that stand in several answers (docs/api.md): token strings, rows
 * of the list.
 */
#ifndef VIEWER_SHAPE_H
#define VIEWER_SHAPE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/catalog.h"
#include "viewer/call.h"
#include "viewer/list.h"

enum { SHAPE_NAME = 32 }; /* room for "L2H3" and "2:117" */

/* Members "text", "vocab" and what applies, from a row of vocab_column. With
 * `whole` a long text is not cut. */
void shape_string(struct call *c, json_t *object, const struct query *row,
                  bool whole);

/* The same, looked up by id; nothing is put if there is none. *count is how
 * often the string occurs. */
int shape_string_by_id(int64_t *count, struct call *c, json_t *object,
                       int64_t vocab, bool whole);

/* A token at the end of an array: a string, or an object where that says less
 * than all. */
void shape_token(struct call *c, json_t *array, const char *text, size_t length,
                 bool escaped);

/* The same, looked up by id; nothing is added if it is not found. */
int shape_token_by_id(bool *found, struct call *c, json_t *array,
                      int64_t vocab);

/* Under "tokens", the different strings of a feature's strongest examples, at
 * most four. head -1: all heads together. */
int shape_top_tokens(struct call *c, json_t *object, int64_t sae,
                     int64_t feature, int head);

/* A row of /api/features. head: whose shares and tokens to show, or -1. */
int shape_row(struct call *c, json_t *row, const struct list_item *item,
              int head);

/* Page of rows: members "total", "offset", "limit", "next", "rows". */
int shape_rows(struct call *c, json_t *out, const struct list_wanted *wanted);

/* "L2H3" */
void shape_head_name(char out[SHAPE_NAME], int layer, int64_t head);

#endif
