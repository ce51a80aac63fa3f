/* SPDX-License-Identifier: MIT
 *
 * Token strings by id. A string is bytes: byte-level tokenizers cut inside
 * UTF-8 sequences, so it need not be valid UTF-8 and may hold any byte, NUL
 * too. On disk (vocab.json of a dump): an array whose entries are strings, or
 * arrays of byte values where the bytes are no UTF-8.
 */
#ifndef DUMP_VOCAB_H
#define DUMP_VOCAB_H

#include "base/arena.h"

struct vocab {
    size_t n;
    char **text;    /* [n], each with a NUL behind it that is not counted */
    size_t *length; /* [n] */
    struct arena arena;
};

/* Room for n tokens, all empty. */
int vocab_init(struct vocab *v, size_t n, struct err *e);
int vocab_set(struct vocab *v, size_t id, const char *bytes, size_t length,
              struct err *e);

/* Reads a dump's vocab.json (array), or a Hugging Face GPT-2 vocab.json
 * (object string → id in the byte-to-character alphabet of GPT-2, which is
 * undone). */
int vocab_read(struct vocab *v, const char *path, struct err *e);
/* Reads vocab.json of a tokenizer folder. */
int vocab_read_tokenizer(struct vocab *v, const char *folder, struct err *e);
/* Writes the array form. */
int vocab_write(const struct vocab *v, const char *path, struct err *e);

void vocab_free(struct vocab *v);

#endif
