/* SPDX-License-Identifier: MIT
 *
 * The file of labels (labels.h) as an SQLite database: opened for each reading
 * and writing, so that it is held by nobody in between and may be copied, moved
 * or removed at any time.
 */
#ifndef STORE_LABEL_FILE_H
#define STORE_LABEL_FILE_H

#include "store/labels.h"

/* Calls take(context, label) for each, by SAE and feature; it takes over
 * what the label owns. path NULL: no file, no labels. */
int label_file_read(const char *path,
                    int (*take)(void *context, struct label *label,
                                struct err *e),
                    void *context, struct err *e);

struct label_file {
    const char *path;
    enum labels_policy policy;
    struct labels_written written;
};

/* Writes all in one transaction, into a new file if there is none. */
int label_file_write(struct label_file *f, const struct label *items, size_t n,
                     struct err *e);

#endif
