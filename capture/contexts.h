/* SPDX-License-Identifier: MIT
 *
 * A text cut into the sequences that the model reads. Documents are what stands
 * between end-of-text tokens (<|endoftext|>), as the text spells them out;
 * empty ones are skipped. A document becomes one context, or several
 * where it is longer than one; each begins with the BOS token if asked for.
 */
#ifndef CAPTURE_CONTEXTS_H
#define CAPTURE_CONTEXTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/tokenizer.h"

struct contexts_options {
    size_t length;   /* tokens of a context at most, BOS included; with BOS at
                        least 2 */
    bool bos;        /* begin each context with the BOS token */
    uint64_t tokens; /* stop behind the context that reaches so many; 0: all */
};

struct contexts {
    int32_t *ids;    /* [tokens] */
    int64_t *starts; /* [n + 1] */
    uint64_t tokens, n;
};

/* Cuts a whole text, with a bar that counts its bytes. `name` is for messages:
 * text that is not UTF-8, or holds nothing. */
int contexts_make(struct contexts *c, const struct tokenizer *t,
                  const char *text, size_t size, const char *name,
                  const struct contexts_options *o, struct err *e);

/* The same for a file. */
int contexts_read(struct contexts *c, const struct tokenizer *t,
                  const char *path, const struct contexts_options *o,
                  struct err *e);

void contexts_free(struct contexts *c);

#endif
