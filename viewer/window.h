/* SPDX-License-Identifier: MIT
 *
 * Runs of tokens with a feature's levels at them, as the API says it
 * (docs/api.md): around an example, or a part of a context.
 */
#ifndef VIEWER_WINDOW_H
#define VIEWER_WINDOW_H

#include "viewer/call.h"

enum {
    WINDOW_USUAL = 16, /* tokens on either side, unless asked otherwise */
    WINDOW_MAX = 32,   /* as far as levels are known around a 'top' example */
    WINDOW_REACH = 16, /* the same around examples drawn at random */
    WINDOW_FULL = 512, /* 'full': a context is seldom longer */
    WINDOW_SOURCE = 8, /* at most so many around a source */
    WINDOW_TOKENS = 2 * WINDOW_FULL + 1, /* at most in one window */
};

/* Token ids, `first` to `last`; around `token` where it is about one. */
struct window {
    int64_t first, token, last;
};

/* Puts "tokens". */
int window_put_tokens(struct call *c, json_t *object, const struct window *w);

/* Puts "levels" of a feature: null beyond `known`, unless there is one. */
int window_put_levels(struct call *c, json_t *object, const struct window *w,
                      const struct window *known, int64_t sae, int64_t feature);

/* How examples are to be shown. */
struct window_view {
    int64_t sae;
    int64_t window; /* tokens on either side */
    int64_t head;   /* whose sources alone to show, or -1 */
    int64_t reach;  /* how far from an example levels are known outside the
                       sample */
};

/* The parameter `window`: 0 to WINDOW_MAX, or 'full'. */
int window_get_width(int64_t *out, struct call *c);

/* An example as `row` (example_column) has it, with its window, the feature's
 * levels there, and its sources with the window of the strongest. */
int window_put_example(struct call *c, json_t *object, const struct query *row,
                       const struct window_view *view);

/* All examples of a query that has been bound; ends it. */
int window_put_examples(struct call *c, json_t *array, struct query *q,
                        const struct window_view *view);

#endif
