/* SPDX-License-Identifier: MIT
 *
 * The strings of a feature's strongest examples, kept once they were read:
 * lists and relations name those of a hundred features an answer, and each
 * costs a dozen searches in the largest tables. 4 MB at most, in which a newer
 * feature takes an older one's place. Any number of threads; what is kept is
 * true for one state of a database only.
 */
#ifndef VIEWER_TOPS_H
#define VIEWER_TOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { TOPS_STRINGS = 4 };

struct tops_of {
    int64_t sae, feature;
    int head; /* -1: all together */
    int64_t vocabs[TOPS_STRINGS];
    size_t n;
};

struct tops;

int tops_new(struct tops **out, struct err *e);
/* Accepts NULL. */
void tops_free(struct tops **tops);

/* Looks for sae, feature and head, and fills the rest. */
bool tops_find(struct tops_of *of, struct tops *tops);
void tops_keep(struct tops *tops, const struct tops_of *of);

#endif
