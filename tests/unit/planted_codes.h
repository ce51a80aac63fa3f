/* SPDX-License-Identifier: MIT
 *
 * The codes and attributions of the planted dump, one row after the other, to
 * work out naively what a database says of them.
 */
#ifndef TESTS_UNIT_PLANTED_CODES_H
#define TESTS_UNIT_PLANTED_CODES_H

#include "planted.h"

/* What one SAE does at every token. */
struct naive {
    struct sae sae;
    float *value; /* (TOKENS, M); 0: not active */
    float *dfa;   /* (TOKENS, M, HEADS) where active */
};

static inline void naive_make(struct naive *n, const char *folder, int layer)
{
    struct err e = {0};
    struct codes codes = {0};
    struct team team = team_make(1);
    const float *z = planted.z[layer];
    assert_int_equal(sae_load(&n->sae, folder, &e), 0);
    struct sae_encoder enc;
    assert_int_equal(sae_encoder_open(&enc, &n->sae, &team, &e), 0);
    assert_int_equal(sae_encode(&enc, z, TOKENS, &codes, &e), 0);
    sae_encoder_close(&enc);
    static float offsets[M * HEADS];
    sae_attribute_offsets(&n->sae, HEADS, offsets);
    n->value = calloc((size_t)TOKENS * M, sizeof *n->value);
    n->dfa = calloc((size_t)TOKENS * M * HEADS, sizeof *n->dfa);
    for (size_t t = 0; t < TOKENS; t++)
        for (size_t i = codes.start[t]; i < codes.start[t + 1]; i++) {
            size_t at = t * M + codes.feature[i];
            n->value[at] = codes.value[i];
            sae_attribute(&n->sae, offsets, z + t * D, codes.feature[i], HEADS,
                          n->dfa + at * HEADS);
        }
    codes_free(&codes);
}

static inline void naive_free(struct naive *n)
{
    sae_free(&n->sae);
    free(n->value);
    free(n->dfa);
}

/* Whether two tokens have the same text: themselves and the 8 before them, as
 * far as their contexts go. */
static inline bool same_text(int a, int b, int a_begin, int b_begin)
{
    for (int i = 0; i <= 8; i++) {
        bool a_ends = a - i < a_begin, b_ends = b - i < b_begin;
        if (a_ends || b_ends)
            return a_ends && b_ends;
        if (planted.tokens[a - i] != planted.tokens[b - i])
            return false;
    }
    return true;
}

#endif
