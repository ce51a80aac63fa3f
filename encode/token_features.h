/* SPDX-License-Identifier: MIT
 *
 * The table token_feature of one SAE: which pairs it keeps (token_choice.h) is
 * found out by a thread of its own while other tables are written, if the team
 * has more than one.
 *
 * Call order: begin; write, once; end at any point.
 */
#ifndef ENCODE_TOKEN_FEATURES_H
#define ENCODE_TOKEN_FEATURES_H

#include "encode/background.h"
#include "encode/scan.h"
#include "store/writer.h"

struct token_features {
    const struct scan *scan;
    struct token_count *pairs;
    size_t n;
    struct background background;
};

/* `s` has run. */
void token_features_begin(struct token_features *f, const struct scan *s);
int token_features_write(struct token_features *f, struct store_writer *w,
                         struct err *e);
/* Accepts a zeroed one. */
void token_features_end(struct token_features *f);

#endif
