/* SPDX-License-Identifier: MIT
 *
 * A model folder as Hugging Face writes it: the network, its tokenizer, and
 * what it is called.
 */
#ifndef CAPTURE_MODEL_H
#define CAPTURE_MODEL_H

#include "capture/gpt2.h"
#include "capture/tokenizer.h"

struct model {
    char name[256]; /* the folder's */
    struct gpt2 gpt2;
    struct tokenizer *tokenizer;
};

/* Opens both and checks that the network embeds every token. `fold` moves the
 * value biases into the output projections (gpt2_fold_value_biases). On failure
 * nothing is held. */
int model_open(struct model *m, const char *folder, bool fold, struct err *e);
/* Accepts a zeroed one. */
void model_close(struct model *m);

#endif
