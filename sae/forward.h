/* SPDX-License-Identifier: MIT
 *
 * Selection rules over a batch: which pre-activations become activations. One
 * dense product in blocks of rows over the thread team, the result a sparse
 * code list. Training and encoding go through the same door.
 *
 * A struct forward keeps scratch memory between batches. One batch at a time.
 */
#ifndef SAE_FORWARD_H
#define SAE_FORWARD_H

#include "base/err.h"
#include "base/team.h"
#include "kernels/encoder.h"

/* A sparse code list, row by row: entries [start[r], start[r + 1]) are row r's
 * active features in ascending order with their activations (> 0). Zero it to
 * begin; it grows as needed. */
struct codes {
    size_t n;      /* rows */
    size_t *start; /* [n + 1] */
    uint32_t *feature;
    float *value;
    size_t rows_capacity, capacity; /* rows and entries there is room for */
};
void codes_free(struct codes *c);

enum rule {
    RULE_POSITIVE,   /* h > 0 */
    RULE_THRESHOLD,  /* h > threshold[feature] and h > 0 */
    RULE_TOPK,       /* the k largest h > 0 of each row */
    RULE_BATCH_TOPK, /* the n·k largest h > 0 of the whole batch (Bussmann et
                        al. 2024); ties by (row, feature) */
};

struct selection {
    enum rule rule;
    size_t k;               /* topk, batch topk: 1 <= k <= m */
    const float *threshold; /* (m), threshold */
};

struct forward {
    const struct team *team;
    struct encoder_scratch *scratch; /* [team threads] */
    struct hits *blocks;             /* [n_blocks] */
    size_t n_blocks;
    struct hits all; /* batch topk: where the cut is found */
    /* Batch topk only looks at h above this. It is a guess from the last
     * batch that saves work; a guess too high is found out and lowered, so
     * results do not depend on it. */
    float floor;
};

/* Keeps `team`. */
int forward_init(struct forward *f, const struct team *team, struct err *e);
void forward_free(struct forward *f);

/* Selects over x (n, d), n < 2^32, which is centred if the SAE wants that. */
int forward_run(struct forward *f, const struct encoder *enc,
                const struct selection *rule, const float *x, size_t n,
                struct codes *out, struct err *e);

#endif
