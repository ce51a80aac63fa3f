/* SPDX-License-Identifier: MIT
 *
 * Documents cut into the sequences that the model reads. A text is documents
 * with end-of-text tokens (<|endoftext|>) between them, as it spells them out;
 * empty ones are skipped. A document becomes one context, or several where it
 * is longer than one; or, packed, documents follow one another in full contexts
 * with an end-of-text token between two. Each context begins with the BOS token
 * if asked for.
 */
#ifndef CAPTURE_CONTEXTS_H
#define CAPTURE_CONTEXTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/progress.h"
#include "capture/tokenizer.h"

struct contexts_options {
    size_t length;   /* tokens of a context at most, BOS included; with BOS at
                        least 2 */
    bool bos;        /* begin each context with the BOS token */
    uint64_t tokens; /* of a text: stop behind the context that reaches so many;
                        0: all */
    bool pack;       /* several documents in a context */
};

/* Zero it to begin. */
struct contexts {
    int32_t *ids;    /* [tokens] */
    int64_t *starts; /* [n + 1] */
    int32_t *group;  /* [n] */
    uint64_t tokens, n;
    size_t capacity; /* of starts and group */
};
/* Puts `more` behind what is there. */
int contexts_append(struct contexts *c, const struct contexts *more,
                    struct err *e);
void contexts_free(struct contexts *c);

/* What is cut from one text, by one or several cutters. */
struct cut_text {
    const struct tokenizer *t;
    const struct contexts_options *o;
    uint64_t tokens; /* so far */
    bool enough;     /* as many as were asked for: the rest is passed over */
    struct progress bar; /* counts the text's bytes */
    uint64_t at;         /* bytes before what is being cut */
};

/* Contexts that grow document by document. Call order: begin, add..., end;
 * then `ids` and `contexts` are one. free at any time. */
struct cutter {
    struct cut_text *text;
    struct token_list ids;
    struct contexts contexts;
    int32_t group; /* of what comes next */
    bool open;     /* the last context can take more */
    bool inside;   /* a document has begun */
};
void cutter_begin(struct cutter *c, struct cut_text *text);
/* The documents of a piece of text, the last of which ends with it. `name` is
 * for messages about text that is not UTF-8. */
int cutter_add(struct cutter *c, const char *piece, size_t size,
               const char *name, struct err *e);
int cutter_end(struct cutter *c, struct err *e);
void cutter_free(struct cutter *c);

#endif
