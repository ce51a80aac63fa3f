/* SPDX-License-Identifier: MIT
 *
 * Labels as CSV (RFC 4180, UTF-8), to be kept, edited and handed on. Columns:
 *
 *     sae,layer,fingerprint,feature,starred,label,note,changed
 *
 * The SAE's name and layer are for the reader, and empty where the database
 * does not have the SAE; the fingerprint says which it is. When read, columns
 * may come in any order; only fingerprint, feature and label must be there.
 */
#ifndef STORE_LABEL_CSV_H
#define STORE_LABEL_CSV_H

#include <stdio.h>

#include "store/catalog.h"
#include "store/labels.h"

/* Writes all labels that are not empty; returns how many. Failures to write
 * show in f. */
size_t label_csv_write(FILE *f, const struct label_set *set,
                       const struct catalog *catalog);

struct label_table {
    struct label *items; /* texts point into `text` */
    size_t *lines;       /* where each stands in the file */
    size_t n;
    char *text;
};

/* Reads a file; messages name its path and line. */
int label_csv_read(struct label_table *out, const char *path, struct err *e);
/* The same of bytes in memory, which are copied; `name` is for messages. */
int label_csv_parse(struct label_table *out, const char *bytes, size_t size,
                    const char *name, struct err *e);
void label_table_free(struct label_table *table);

#endif
