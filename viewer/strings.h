/* SPDX-License-Identifier: MIT
 *
 * The token strings that a request names: by their text or by vocab ids. A
 * text may be that of several ids.
 */
#ifndef VIEWER_STRINGS_H
#define VIEWER_STRINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "viewer/call.h"
#include "viewer/list.h"

struct strings {
    int64_t ids[LIST_VOCABS_MAX];
    size_t n;
};

/* Reads `vocab`, or the text in the parameter `name`; one of them must be
 * there. With `spaced`, strings with a space in front of the text count too. A
 * text that is no token gives none; an id that is none is refused. */
int strings_get(struct strings *out, struct call *c, const char *name,
                bool spaced);

/* Adds those with this text to what is there. */
int strings_find(struct strings *out, struct call *c, const char *text,
                 size_t length);

/* Puts them under "strings", each with its count. */
int strings_put(struct call *c, json_t *object, const struct strings *strings,
                bool whole);

#endif
