/* SPDX-License-Identifier: MIT
 *
 * Several texts, one after the other, as one list of contexts, and which of
 * them each context comes from.
 */
#ifndef CAPTURE_TEXTS_H
#define CAPTURE_TEXTS_H

#include "base/arena.h"
#include "capture/contexts.h"

struct texts {
    struct contexts contexts; /* of all */
    size_t n;
    char **names;  /* [n] of the files, without folder */
    int32_t *text; /* [contexts.n] */
    struct arena arena;
};

/* Reads the files that `list` names, with commas between; if there is a file
 * of that whole name, it is the only one. Each is cut by `o` for itself: as
 * many tokens are taken from each. Two files of one name are an error, if they
 * are in different folders too. On failure nothing is held. */
int texts_read(struct texts *x, const struct tokenizer *t, const char *list,
               const struct contexts_options *o, struct err *e);
void texts_free(struct texts *x);

#endif
