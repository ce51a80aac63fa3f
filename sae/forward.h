/* SPDX-License-Identifier: MIT
 *
 * Selection rules over a batch: which pre-activations become activations. One
 * dense product over the thread team (kernels/encoder.h), the result a sparse
 * code list. Training and encoding go through the same door.
 *
 * With a coarse encoder the product finds candidates, which are rescored in
 * fp32 and selected by their exact values. A pair can be missed only where its
 * error is beyond the margin; values are those of fp32 in any case.
 *
 * A struct forward keeps scratch memory between batches. One batch at a time.
 */
#ifndef SAE_FORWARD_H
#define SAE_FORWARD_H

#include "base/err.h"
#include "base/team.h"
#include "kernels/encoder.h"
#include "sae/codes.h"

enum rule {
    RULE_POSITIVE,   /* h > 0 */
    RULE_THRESHOLD,  /* h > threshold[feature] and h > 0 */
    RULE_TOPK,       /* the k largest h > 0 of each row */
    RULE_BATCH_TOPK, /* the n·k largest h > 0 of the whole batch (Bussmann et
                        al. 2024); ties by (row, feature) */
};

/* What earlier batches of an encoder teach topk: how far a row's k-th largest h
 * is from zero at least, in norms of the row. A batch begins with that as each
 * row's bar, which saves work; a row that was guessed too high is found out and
 * looked at again, so results do not depend on it. Zero it to begin, and where
 * the next batch has nothing to do with the last. */
struct guess {
    float ratio; /* 0: none */
    float last;  /* what the last batch alone taught */
};

struct selection {
    enum rule rule;
    size_t k;               /* topk, batch topk: 1 <= k <= m */
    const float *threshold; /* (m), threshold */
    /* Threshold: also takes h > threshold − below, at or under zero too if
     * that is, as an estimator of the threshold's gradient needs (JumpReLU,
     * Rajamanoharan et al. 2024). 0: none. */
    float below;
    struct guess *guess; /* topk: read and taught, or NULL */
};

/* One thread's scratch for merging rows. Nobody's business. */
struct forward_merging {
    struct hits row, order;
    struct ranking ranking;
    uint32_t *index;
    float *value;
    size_t capacity;
};

/* Rows of a batch that were guessed too high and are selected from again, in
 * order; their codes. */
struct forward_again {
    struct forward *forward;
    struct codes codes;
    size_t n;
    uint32_t *row;     /* (n) */
    float *x;          /* (n, d) */
    size_t n_row, n_x; /* there is room for */
};

/* What a block of rows came to. */
struct forward_kept {
    size_t candidates; /* rescored */
    size_t ties;       /* batch topk: equals to the last that it may take */
};

struct forward {
    const struct team *team;
    struct encoder_scratch *scratch; /* [team threads] */
    struct forward_merging *merging; /* [team threads] */
    struct encoder_rows rows;
    struct encoder_cut cut;
    struct hits *pieces; /* [blocks][slabs] what the product let through */
    uint32_t *starts;    /* [pieces][most rows + 1] where each row's begin */
    struct hits *blocks; /* [blocks] merged, with exact values */
    struct forward_kept *kept; /* [blocks] */
    float *floors;             /* (n) topk, of each row */
    float *norms;              /* (n) topk with a guess */
    bool *doubt;               /* (n) topk: guessed too high */
    struct hits ratios;        /* (n) topk: what rows teach */
    struct forward_again again;
    /* There is room for: */
    size_t n_pieces, n_starts, n_blocks, n_kept, n_floors, n_norms, n_doubt;
    /* Batch topk only looks at h above this. It is a guess from the last
     * batch that saves work; a guess too high is found out and lowered, so
     * results do not depend on it. */
    float floor;
    /* Of the last batch, for measurements: */
    unsigned passes;   /* products over the whole batch */
    size_t candidates; /* that were rescored */
    double seconds;    /* of the products and their comparison */
};

/* Keeps `team`. */
int forward_init(struct forward *f, const struct team *team, struct err *e);
void forward_free(struct forward *f);

/* Selects over x (n, d), n < 2^32, which is centred if the SAE wants that. The
 * encoder's panels are packed. */
int forward_run(struct forward *f, const struct encoder *enc,
                const struct selection *rule, const float *x, size_t n,
                struct codes *out, struct err *e);

#endif
