/* SPDX-License-Identifier: MIT
 *
 * The codes of heads at labelled prompts, from a database: tables prompt and
 * activation_by_token. Heads are those of SAEs of consecutive layers, one each.
 * A head has one code at a token, or none; over a prompt's tokens it has many.
 */
#ifndef STORE_PROMPT_CODES_H
#define STORE_PROMPT_CODES_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

enum prompt_codes_at {
    PROMPT_CODES_LAST,  /* the token whose prediction counts */
    PROMPT_CODES_TOKEN, /* a numbered one */
    PROMPT_CODES_ALL,   /* each token of the prompt: a row for each */
};

struct prompt_codes_options {
    const char *dump; /* name or key; NULL: the only one that has prompts */
    const char *saes; /* names, with commas between; NULL: all of the dump */
    enum prompt_codes_at at;
    int64_t token; /* from 0, or from the end, -1 the last */
};

struct prompt_codes {
    int first_layer, layers, layer_heads;
    size_t prompts, positives;
    int8_t *label; /* (prompts) 1 or 0; those without a label are left out */
    uint64_t *context; /* (prompts) of the dump, from 0 */
    int32_t *answer;   /* (prompts) the first token that answers it, -1: none */
    size_t rows;
    uint32_t *prompt; /* (rows) of which prompt, ascending */
    size_t features;  /* of the largest SAE: codes are below */
    int32_t *code;    /* (rows, layers × layer_heads), -1: none */
    struct arena arena;
};

/* No labelled prompts, prompts outside the sample, of one class only or without
 * such a token, and SAEs that are not one for each of consecutive layers, are
 * errors. On failure nothing is held. */
int prompt_codes_read(struct prompt_codes *out, const char *path,
                      const struct prompt_codes_options *o, struct err *e);
void prompt_codes_free(struct prompt_codes *c);

#endif
