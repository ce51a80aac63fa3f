/* SPDX-License-Identifier: MIT
 *
 * Several texts, one after the other, as one list of contexts, and the groups
 * that they fall into. A file is plain text, documents with <|endoftext|>
 * between them, or, if its name ends in .jsonl, JSON Lines with a document a
 * line. Groups are the files, where there are several, or the values of a field
 * of the lines.
 */
#ifndef CAPTURE_TEXTS_H
#define CAPTURE_TEXTS_H

#include <jansson.h>

#include "base/arena.h"
#include "capture/contexts.h"
#include "capture/jsonl.h"

struct texts_options {
    struct contexts_options cut;
    struct jsonl_fields fields;
};

struct texts {
    struct contexts contexts; /* of all; their group is -1 or below n */
    size_t n;                 /* groups; 0: there are none */
    char **names;             /* [n] */
    json_t *numbers;          /* name to number */
    struct arena arena;
};

/* Reads the files that `list` names (text_list.h). Each is cut by o->cut for
 * itself: as many tokens are taken from each. Packed documents of different
 * groups never share a context; contexts of a packed file come group by group.
 * Two files of one name are an error where files are groups, if they are in
 * different folders too. On failure nothing is held. */
int texts_read(struct texts *x, const struct tokenizer *t, const char *list,
               const struct texts_options *o, struct err *e);
void texts_free(struct texts *x);

#endif
