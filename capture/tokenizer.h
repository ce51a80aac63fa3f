/* SPDX-License-Identifier: MIT
 *
 * The tokenizer of a Hugging Face GPT-2 folder (vocab.json, merges.txt,
 * tokenizer_config.json if it is there): text to token ids, identical to
 * GPT2Tokenizer. Special tokens are recognised in the text; between them it is
 * cut into pieces by GPT-2's expression, and each piece is byte pair encoded.
 *
 * What a folder asks for beyond that (another tokenizer class, a space put in
 * front, tokens that are not in vocab.json) is refused by name, because the ids
 * would differ without a word.
 *
 * An open tokenizer is constant: any number of threads may encode with it.
 */
#ifndef CAPTURE_TOKENIZER_H
#define CAPTURE_TOKENIZER_H

#include "capture/bpe.h"

struct tokenizer;

int tokenizer_open(struct tokenizer **out, const char *folder, struct err *e);
void tokenizer_close(struct tokenizer **t);

/* Token strings by id. */
const struct vocab *tokenizer_vocab(const struct tokenizer *t);

/* The tokens that begin a context and end a document. */
int32_t tokenizer_bos(const struct tokenizer *t);
int32_t tokenizer_eos(const struct tokenizer *t);

/* Appends the ids of `text`; no BOS is added. Linear in the size, but for the
 * log n of bpe.h. Text that is not UTF-8 is an error with byte and line, `name`
 * in front. */
int tokenizer_encode(const struct tokenizer *t, struct token_list *out,
                     const char *text, size_t size, const char *name,
                     struct err *e);

/* The same in steps, for long texts. Keeps its arguments. */
struct encoding;
int encoding_open(struct encoding **out, const struct tokenizer *t,
                  const char *text, size_t size, const char *name,
                  struct err *e);
/* Appends about n ids, at least one unless the text is at its end. */
int encoding_next(struct encoding *g, struct token_list *out, size_t n,
                  struct err *e);
/* Bytes encoded so far. */
size_t encoding_position(const struct encoding *g);
void encoding_close(struct encoding **g);

#endif
