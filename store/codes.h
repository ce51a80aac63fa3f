/* SPDX-License-Identifier: MIT
 *
 * The codes of one SAE in the order of the text, token by token, as
 * `headscope export` writes them. Memory is that of one token, whatever the
 * database holds; head codes, which lie by head and code, are sorted on the way
 * by SQLite, in temporary files where there are many.
 *
 *     TRY(store_codes_open(&c, "demo.db", "layer2", STORE_ACTIVATIONS, e));
 *     while ((code = store_codes_next(c, e)) == 0 && c->token >= 0)
 *         use(c->token, c->feature[0] ... c->feature[c->n - 1]);
 *     store_codes_close(&c);
 *
 * One connection, one thread. A database whose rows contradict each other is
 * ERR_INPUT.
 */
#ifndef STORE_CODES_H
#define STORE_CODES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum store_codes_kind {
    STORE_ACTIVATIONS, /* the active features of a token, ascending */
    STORE_HEAD_CODES,  /* a feature for each head, or -1 */
};

struct store_codes_source; /* statements and what they need */

struct store_codes {
    /* The SAE. */
    char name[256];
    int layer, heads;
    int64_t tokens; /* of the sample: how many there will be */
    int64_t rows;   /* activations among them */
    /* The token, after a next; all are those of the sample, ascending. */
    int64_t token; /* -1: there are no more */
    int64_t context;
    int32_t position;
    const char *text; /* NULL: not known; until the next */
    size_t length;
    size_t n; /* codes of it; of heads always `heads` */
    int32_t *feature;
    int *level;    /* STORE_ACTIVATIONS only */
    double *value; /* the same: (level - 0.5) * scale */
    size_t capacity;
    struct store_codes_source *source;
};

/* `sae` is a name, or DUMP/NAME where several dumps have one of that name;
 * NULL: the only SAE there is. Nothing is held on failure. */
int store_codes_open(struct store_codes **c, const char *path, const char *sae,
                     enum store_codes_kind kind, struct err *e);
/* Accepts NULL. */
void store_codes_close(struct store_codes **c);

int store_codes_next(struct store_codes *c, struct err *e);

#endif
