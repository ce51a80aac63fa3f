/* SPDX-License-Identifier: MIT
 *
 * The table feature_logit: what a feature adds directly to the model's logits,
 * for each unit of its activation. After Kissane et al. 2024, section 2: the
 * decoder row through W_O and W_U,
 *
 *     r = Σ_h W_dec[f, h]·W_O[h]                   into the residual stream
 *     logit[v] = Σ_i (r_i − mean r)·gain_i·W_U[i, v] − mean over v of the same
 *
 * Of the last LayerNorm (dump/weights.h) this has the centring over d_model and
 * the gain; its scale 1/√(variance + ε) is left out, because it depends on the
 * token, and so is its bias, because it is the same whatever the feature does.
 * The mean over the vocabulary is taken out, because softmax does not see it.
 * So logits of one feature compare with each other, not with the model's.
 *
 * The vocabulary is what the dump has strings for. Features that are never
 * active are left out. Of equal logits the token with the lower id comes first.
 *
 * Call order: find; write; free, also after a failure.
 *
 * Cost: 2·n·d·v flop in fp32 for n active features and v tokens on one thread,
 * W_U read twice; memory: a copy of W_O, some hundred columns of W_U, and 0.6
 * KB for each active feature.
 */
#ifndef ENCODE_LOGITS_H
#define ENCODE_LOGITS_H

#include "dump/dump.h"
#include "encode/background.h"
#include "encode/best.h"
#include "sae/sae.h"
#include "store/writer.h"

enum { LOGITS = 20 }; /* promoted most, and as many suppressed most */

struct logits {
    size_t n;          /* active features; 0 also without W_U or vocabulary */
    uint32_t *feature; /* [n] their numbers */
    struct best promoted, suppressed; /* (n); score: the logit, or less it */
    struct arena arena;
};

/* Whether a dump has what it takes. */
bool logits_possible(const struct dump *dump);

/* Zeroed; fires (m); `layer` is the dump's that s is for. A step of `b` is a
 * feature. Ctrl-C ends it with ERR_INTERRUPTED. */
int logits_find(struct logits *x, const struct sae *s, const uint64_t *fires,
                const struct dump *dump, int layer, struct background *b,
                struct err *e);
int logits_write(const struct logits *x, struct store_writer *w, struct err *e);
void logits_free(struct logits *x);

#endif
