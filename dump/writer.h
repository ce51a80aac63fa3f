/* SPDX-License-Identifier: MIT
 *
 * Writing a dump folder (docs/formats.md), atomically: it appears under its
 * name at commit. Rows of each layer come in order; layers may alternate. One
 * thread.
 *
 * Call order: open or resume, tokens, groups, vocab, rows..., commit; abort or
 * leave at any point.
 */
#ifndef DUMP_WRITER_H
#define DUMP_WRITER_H

#include <jansson.h>
#include <stdbool.h>

#include "dump/dump.h"

struct dump_writer;
struct weights_source;

/* `info` says what will be written: layers, heads, d_head, d_model, tokens,
 * contexts, dtype (f32, f16, bf16), model, bos, fold_value_biases; path and
 * fingerprint are not read. With `force` an older dump of that name is
 * replaced. */
int dump_writer_open(struct dump_writer **out, const char *path,
                     const struct dump_info *info, bool force, struct err *e);

/* For work that may have been killed. */
struct dump_resume {
    const char *identity; /* in: of all that the rows depend on; equal ones
                             stand for equal rows */
    uint64_t rows;        /* out: rows of each layer that are there already */
    bool other;           /* out: something else was left, and is gone */
};
/* As dump_writer_open, but goes on where a writer of the same identity was
 * killed, or left: its complete shards stay, and each layer's rows are expected
 * from r->rows on. All else is to be given as for a new dump. */
int dump_writer_resume(struct dump_writer **out, const char *path,
                       const struct dump_info *info, bool force,
                       struct dump_resume *r, struct err *e);

/* ids [info.tokens]; contexts [info.contexts + 1] offsets. */
int dump_writer_tokens(struct dump_writer *w, const int32_t *ids,
                       const int64_t *contexts, struct err *e);
int dump_writer_vocab(struct dump_writer *w, const struct vocab *v,
                      struct err *e);

/* After the tokens: which group each context belongs to; see dump_groups. May
 * be left out. */
int dump_writer_groups(struct dump_writer *w, const struct dump_groups *groups,
                       struct err *e);

/* After the tokens: the contexts are prompts; an array of
 * dump/prompts_file.h, borrowed. May be left out. */
int dump_writer_prompts(struct dump_writer *w, const json_t *prompts,
                        struct err *e);

/* The model's weights that lie behind z (dump/weights.h). May be left out. */
int dump_writer_weights(struct dump_writer *w,
                        const struct weights_source *from, struct err *e);

/* Appends n rows (n, heads × d_head) to a layer, converted to the dtype. A
 * value that is not finite, or too large for f16, is an error. */
int dump_writer_rows(struct dump_writer *w, int layer, const float *z, size_t n,
                     struct err *e);

/* Fails if a layer has not received info.tokens rows. Frees the writer either
 * way. */
int dump_writer_commit(struct dump_writer **w, struct err *e);
void dump_writer_abort(struct dump_writer **w);
/* As abort, but leaves complete shards for dump_writer_resume; gives the rows
 * of each layer that they hold. */
uint64_t dump_writer_leave(struct dump_writer **w);

#endif
