/* SPDX-License-Identifier: MIT
 *
 * What the scan has counted, as rows of the database: the dump with its tokens
 * once, then each SAE.
 */
#ifndef ENCODE_TABLES_H
#define ENCODE_TABLES_H

#include "encode/scan.h"
#include "store/writer.h"

/* The key of the dump; its rows are the database's tokens, by number. */
enum { TABLES_DUMP_ID = 1 };

/* One more than the largest token id of the dump: of its vocabulary, or of its
 * tokens if there is none. 0 without both. */
size_t tables_string_ids(const struct dump *dump);

/* dump, context, vocab, token. `limit` and `seed` are what the sample was
 * drawn with. */
int tables_write_dump(struct store_writer *w, const struct dump *dump,
                      const struct sample *sample, int64_t limit, int64_t seed,
                      struct err *e);

/* All tables of one SAE; `id` is its key, `folder` where its training curve
 * is. */
int tables_write_sae(struct store_writer *w, struct scan *s, int64_t id,
                     const char *folder, struct err *e);

#endif
