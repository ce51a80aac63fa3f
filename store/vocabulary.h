/* SPDX-License-Identifier: MIT
 *
 * The token strings of a database in memory, by id: an answer of the viewer
 * names a thousand, and each would be a search in table vocab. Some 25 bytes a
 * string, 36 MB at the very most: what is beyond the limits below is not kept,
 * and must be asked for (QUERY_VOCAB).
 *
 * One thread fills it, once; any number may look into it meanwhile, and find
 * nothing until it is complete.
 */
#ifndef STORE_VOCABULARY_H
#define STORE_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/query.h"

enum {
    VOCABULARY_IDS = 1 << 20,    /* ids from 0 to below this, */
    VOCABULARY_LENGTH = 256,     /* strings of at most so many bytes, */
    VOCABULARY_BYTES = 12 << 20, /* all together */
};

struct vocabulary_string {
    const char *text; /* may hold anything, as the file may come from anyone */
    size_t length;
    bool escaped;
    int64_t count; /* in all dumps */
};

struct vocabulary;

int vocabulary_new(struct vocabulary **out, struct err *e);
/* Accepts NULL. */
void vocabulary_free(struct vocabulary **vocabulary);

/* Reads table vocab. After a failure it stays empty. */
int vocabulary_fill(struct vocabulary *v, const struct queries *queries,
                    struct err *e);

/* Whether the string is kept; *out is valid as long as v. */
bool vocabulary_find(struct vocabulary_string *out, const struct vocabulary *v,
                     int64_t id);

#endif
