/* SPDX-License-Identifier: MIT
 *
 * One training step (docs/design.md). With rows x (n, d), the selected codes f
 * (TopK: Gao et al. 2024; BatchTopK: Bussmann et al. 2024) and
 *
 *     h = (x − b_dec)·W_encᵀ + b_enc,  x̂ = b_dec + Σ_i f_i·W_dec[i],  e = x̂ − x
 *     L = (1/n) Σ_rows ‖e‖²
 *
 * and G = ∂L/∂x̂ = (2/n)·e, the gradients are (sums over the rows r in which
 * feature i is active; the selection itself has none):
 *
 *     g_ri       = ⟨G_r, W_dec[i]⟩
 *     ∂L/∂W_dec[i] = Σ f_ri·G_r              less its part along W_dec[i]
 *     ∂L/∂W_enc[i] = Σ g_ri·(x_r − b_dec)
 *     ∂L/∂b_enc[i] = Σ g_ri
 *     ∂L/∂b_dec    = Σ_r G_r − Σ_i ∂L/∂b_enc[i]·W_enc[i]
 *
 * Matryoshka (Bussmann et al. 2025) reconstructs a row from each prefix
 * [0, w_1) ⊂ … ⊂ [0, w_P) of the features, all from one selection:
 *
 *     x̂_p = b_dec + Σ_{i < w_p} f_i·W_dec[i],  e_p = x̂_p − x
 *     L = (1/n) Σ_rows (1/P) Σ_p ‖e_p‖²
 *
 * the mean over prefixes where the paper has the sum, so that clipping and
 * AuxK weigh as without prefixes. Feature i takes part in the prefixes that
 * are larger than i, so it learns from
 *
 *     G^i = Σ_{p: w_p > i} (2/(n·P))·e_p
 *
 * in place of G. That is the same for a whole group [w_{p−1}, w_p), a suffix
 * sum over the prefixes: one row of gradient for each row and group, whatever
 * k is. All prefixes have b_dec, so the first term of ∂L/∂b_dec is the first
 * group's. Without prefixes all this is one group.
 *
 * Other architectures than TopK's differ in the rule that selects, in terms
 * that the loss has beside, and in what a value's gradient is: the pairs are
 * the same sparse list. train/penalty.h has the terms for sparsity, threshold.h
 * JumpReLU, gate.h gated SAEs. Which one is trained follows from what tensors
 * the parameters have.
 *
 * Decoder rows that are free (not of unit length) have no projection, and their
 * norms count in the penalty, which then has a gradient by them: with φ of
 * penalty.h and u = f·‖W_dec[i]‖,
 *
 *     Σ_r φ'(u_ri)·f_ri/n · W_dec[i]/‖W_dec[i]‖
 *
 * Where a batch's codes are so many that the lists cost more than matrices
 * would (train/dense.h), the products with them go by dense tiles, and the
 * encoder's is exact, as rescoring would cost more. The same loss and
 * gradients, but for rounding.
 *
 * Only the product with W_enc is dense; the rest touches active features only.
 * Each feature's gradients are summed by one thread in row order and used at
 * once: no gradient matrix, no atomics, the same bits for any number of
 * threads. Decoder rows are renormalised after the update, so every snapshot
 * has unit rows. Gradients are clipped to global norm √d by the norm of the
 * step before, because this step's is known only at its end. Dead features get
 * the gradients of AuxK on top (train/auxk.h).
 */
#ifndef TRAIN_STEP_H
#define TRAIN_STEP_H

#include "sae/forward.h"
#include "train/auxk.h"
#include "train/dense.h"
#include "train/gate.h"
#include "train/groups.h"
#include "train/parameters.h"
#include "train/threshold.h"
#include "train/transpose.h"

/* Items of parallel work over features: whole panels. */
enum { STEP_CHUNK_FEATURES = 64 };

/* What a step spends its time on, in order. */
enum step_phase {
    PHASE_PACK,    /* subtract b_dec, pack the rows */
    PHASE_PRODUCT, /* encoder product and comparison */
    PHASE_SELECT,  /* rescoring, the cut, the code list */
    PHASE_DECODE,  /* x̂, e, and the gradient of each activation */
    PHASE_AUX,     /* AuxK up to its gradients */
    PHASE_ORDER,   /* codes into feature order */
    PHASE_UPDATE,  /* gradients, Adam, renormalisation, packing of W_enc */
};
enum { STEP_PHASES = PHASE_UPDATE + 1 };

/* How gradients become steps, the same for a whole run. */
struct optimiser {
    double beta1, beta2; /* of Adam */
    double clip;         /* gradients to this norm times √d; 0: not */
    double threshold;    /* θ's rate is so many times that of the others */
    bool free_rows;      /* decoder rows are not held at unit length */
    bool unit_encoder;   /* encoder rows are, too (O'Neill & Bui 2024) */
};
/* Adam's (0.9, 0.999), clip 1, threshold 1. */
extern const struct optimiser optimiser_default;

/* Whether products go by dense tiles; DENSITY_AUTO: where that is faster. */
enum density { DENSITY_AUTO, DENSITY_SPARSE, DENSITY_DENSE };

struct step {
    struct parameters *p;
    const struct team *team;
    size_t batch;               /* most rows of a step */
    struct optimiser optimiser; /* may be changed before a step */
    struct encoder encoder;     /* W_enc packed; each update packs it anew */
    struct forward forward;
    struct guess guess;
    struct auxk auxk;
    struct codes codes;
    struct groups groups;   /* of the last batch; at least one */
    float *centred;         /* (n, d) x − b_dec */
    float *gradient;        /* (groups, n, d) G of each group */
    size_t gradient_rows;   /* there is room for */
    double *row_loss;       /* (n) mean ‖e_p‖² */
    double *row_error;      /* (n) ‖e‖² of all features */
    double *row_penalty;    /* (n) Σ φ(u) */
    float *g;               /* ∂L/∂h of each entry of codes */
    float *h, *side;        /* of each entry, of thresholds and gates */
    size_t entries;         /* there is room for */
    struct penalty penalty; /* of the last batch */
    struct threshold threshold;
    float *gain;  /* (m) e^r of a gated SAE, */
    float *norms; /* (m) ‖W_dec[i]‖ of free rows, at the last forward pass */
    float *sum;   /* (d) Σ_rows x − b_dec, with a pre-activation loss */
    enum density density;
    bool was_dense;        /* the last batch that was learnt from */
    struct encoder exact;  /* of dense batches, where `encoder` is coarse */
    float *tiles, *blocks; /* of dense batches: (threads, DENSE_TILE),
                              (threads, 2, DENSE_LISTS, d) */
    struct transposed pairs, aux_pairs; /* in feature order; rows of aux_pairs
                                           count from auxk.first */
    /* Partial sums of blocks of rows and chunks of features. */
    float *block_bias;  /* (row blocks, d) */
    float *chunk_bias;  /* (feature chunks, d) */
    double *chunk_norm; /* (feature chunks) */
    float *rows;        /* (threads, 2, d) a feature's gradients */
    float *bias;        /* (d) ∂L/∂b_dec */
    uint64_t *silent;   /* (m) tokens since a feature was last active */
    uint64_t *fired;   /* (m) rows in which it was, as someone last zeroed it */
    double norm;       /* global gradient norm of the last step; 0 before */
    size_t candidates; /* of the last step's selection, as struct forward has */
    unsigned passes;
    double seconds[STEP_PHASES]; /* since step_init, for measurements */
    struct arena arena, gradient_arena, dense_arena;
};

/* What differs from step to step. */
struct step_plan {
    enum rule rule; /* RULE_POSITIVE for ReLU and gated SAEs, RULE_THRESHOLD for
                       JumpReLU */
    size_t k;       /* of TopK and BatchTopK */
    struct penalty penalty;
    float bandwidth;      /* JumpReLU's ε */
    double pull;          /* c of its pre-activation loss; 0: none */
    double rate;          /* learning rate */
    uint64_t t;           /* number of the step, the first being 1 */
    struct groups groups; /* Matryoshka's prefixes; none: TopK, BatchTopK */
    double aux;           /* α of AuxK; 0: off */
    size_t aux_parts;     /* AuxK takes one of so many parts of the rows */
    uint64_t dead_tokens;
};

struct step_result {
    double loss;    /* L before the update, without AuxK and pre-activation loss
                     */
    double error;   /* mean ‖e‖² of all features */
    double penalty; /* L's term for sparsity */
    double sum;     /* mean Σ φ(u), without λ */
    double l1;      /* mean Σ f, where the power is not 1 */
    double l0;      /* active features a row */
};

/* Keeps `p` and `team`. */
int step_init(struct step *s, struct parameters *p, const struct team *team,
              size_t batch, struct err *e);
void step_free(struct step *s);
/* To be called whenever W_enc or b_enc were changed from outside, and before
 * the first step. */
void step_pack(struct step *s);

/* One whole step on x (n, d), n <= batch. */
int step_run(struct step *s, const float *x, size_t n,
             const struct step_plan *plan, struct step_result *out,
             struct err *e);

/* The parts of a step, in their order, for evaluation and tests. */

/* Selects, decodes, and leaves codes, G, g and side. The last group's G is
 * 2/(n·groups)·e. Codes of thresholds and gates have entries of value 0, which
 * only learn. */
int step_forward(struct step *s, const float *x, size_t n,
                 const struct step_plan *plan, struct step_result *out,
                 struct err *e);
/* Finds dead features and leaves their part in s->auxk. */
int step_aux(struct step *s, const struct step_plan *plan, struct err *e);
/* Brings both code lists into feature order. */
int step_transpose(struct step *s, struct err *e);
/* (n, d) the last group's part of s->gradient; times *unit it is e. */
const float *step_error(const struct step *s, float *unit);
/* Gradients of feature i, not projected: dec (d), enc (d); returns that of its
 * part of x − b_dec in W_enc[i], which is that of b_enc[i] but for gated SAEs.
 */
float step_feature_gradient(const struct step *s, size_t i, float *dec,
                            float *enc);
/* Those of its own numbers; `along` is what step_feature_gradient returned. */
struct scalar_gradients {
    float b_enc, threshold, r_mag, b_mag;
};
struct scalar_gradients step_scalar_gradients(const struct step *s, size_t i,
                                              float along);
/* Whether the products with the codes that s holds go by dense tiles. */
bool step_is_dense(const struct step *s);
/* Row r of group p's part of s->gradient, (d). */
float *step_gradient_row(const struct step *s, size_t p, size_t r);
/* Updates every feature, leaves ∂L/∂b_dec in s->bias, then updates b_dec. */
void step_update(struct step *s, const struct step_plan *plan);

#endif
