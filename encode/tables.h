/* SPDX-License-Identifier: MIT
 *
 * What the scan has counted, as rows of the database: the dump with its tokens
 * once, then each SAE.
 */
#ifndef ENCODE_TABLES_H
#define ENCODE_TABLES_H

#include "encode/example_sets.h"
#include "encode/scan.h"
#include "encode/sources.h"
#include "store/writer.h"

/* count[id] = tokens of the dump with that id, of *n ids: those of its
 * vocabulary, or up to its largest token id if there is none. */
int tables_count_strings(struct arena *arena, uint64_t **count, size_t *n,
                         const struct dump *dump, struct err *e);

/* The row of table dump. `limit` and `seed` are what the sample was drawn with;
 * name, of OUTPUT_PATH_MAX bytes, is filled, and borrowed by the row. */
void tables_dump_row(struct store_dump *row, char *name,
                     const struct dump *dump, const struct sample *sample,
                     int64_t limit, int64_t seed);

/* dump, document_group, context, position_bin, vocab, token. */
int tables_write_dump(struct store_writer *w, const struct store_dump *row,
                      const struct dump *dump, const struct sample *sample,
                      struct err *e);

/* Whether the dump's token strings are those of the database, as far as both
 * have the same ids: another tokenizer is an error. */
int tables_check_strings(struct store_writer *w, const struct dump *dump,
                         struct err *e);

/* example_set, example and head_example of an SAE; scale (m) as in levels.h. */
int tables_write_examples(struct store_writer *w, const struct scan *s,
                          const struct example_sets *sets, const double *scale,
                          struct err *e);

/* All tables of one SAE; `id` is its key, `folder` where its training curve
 * is, `sources` NULL without the model. */
int tables_write_sae(struct store_writer *w, struct scan *s, int64_t id,
                     const char *folder, const struct encode_sources *sources,
                     struct err *e);

#endif
