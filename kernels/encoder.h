/* SPDX-License-Identifier: MIT
 *
 * The encoder product with selection fused: pre-activations h = x·W_encᵀ + b
 * are made tile by tile and compared while they are in cache; the (n, m)
 * matrix is never written. x comes centred (b_dec subtracted) if the SAE wants
 * it so.
 *
 * Either the product is exact, in fp32. Or it is coarse, in int8 or bf16, where
 * the tier has that: then it only finds candidates, all that could be hits
 * within a margin, and the caller rescores them in fp32 (kernels.dot_rows).
 * Values are those of fp32 in any case. The margin of a row is six standard
 * deviations of the worst feature's error, rounding errors taken as independent
 * of each other and of the operands:
 *
 * int8 (avx512vnni/segment.h). In a segment of 128 depths x = s_x·q_x + e_x
 * with e_x uniform in ±s_x/2, hence of variance s_x²/12, and w likewise; so
 * that
 *
 *     x·w − s_x·s_w·Σq_x·q_w = Σ(e_x·ŵ + x̂·e_w + e_x·e_w),  ŵ = s_w·q_w
 *
 * has variance s_x²/12·‖ŵ‖² + s_w²/12·‖x̂‖²; the last term's, at most
 * 128·s_x²·s_w²/144, is below 0.1 % of it, as ‖ŵ‖ is at least 127·s_w. Where
 * one number of x is hundreds of times the others these become zero, and their
 * error is no longer independent of x, nor of a feature in its direction; it is
 * then taken at its most, ‖x_lost‖·‖ŵ‖ with x_lost the numbers that became
 * zero; and for w likewise. With the largest over features, segment by segment,
 * the margin is
 *
 *     √Σ_segments (max(6²·s_x²/12, ‖x_lost‖²)·max‖ŵ‖²
 *                  + max_w max(6²·s_w²/12, ‖w_lost‖²)·‖x̂‖²).
 *
 * bf16 (AMX). 8 significant bits move each operand by at most 2^-8 of itself;
 * where mantissas are spread evenly the error of a sum has a standard deviation
 * of about 1.2 · 2^-9 · √Σ(x·w)², and Σ(x·w)² ≤ ‖x‖₄²·‖w‖₄². The margin is
 *
 *     6 · 2^-9 · ‖x‖₄ · max‖w‖₄,
 *
 * five standard deviations where the bound is tight, eight for normal numbers.
 *
 * Operands that all round the same way can go beyond it: constants in bf16, in
 * int8 constants beside an outlier in their segment that are above half a
 * scale. Then a feature near the cut may be missed. So may features whose
 * product with a row comes of numbers below 2^-119, which count as zero, or is
 * not finite.
 *
 * A margin grows with a row's outliers, whether features listen to them or not.
 * Where it comes near the spread of the pre-activations themselves most pairs
 * are candidates, and an exact product is faster (docs/performance.md).
 *
 * Call order: encoder_init; encoder_set whenever w, b or m change place or
 * size; encoder_pack_panel for every panel whose features changed;
 * encoder_pack_group for every group of rows of a batch; then encoder_scan for
 * pieces of (rows, features), from any thread.
 */
#ifndef KERNELS_ENCODER_H
#define KERNELS_ENCODER_H

#include "base/arena.h"
#include "base/team.h"
#include "kernels/kernels.h"

enum encoder_precision { ENCODER_EXACT, ENCODER_COARSE };

struct encoder {
    bool coarse; /* hits are candidates */
    struct product product;
    size_t d, m, capacity; /* m <= capacity */
    size_t panels;         /* that m features take */
    const float *w;        /* (·, d), borrowed */
    const float *b;        /* borrowed */
    const uint32_t *index; /* feature i is row index[i] of w and b */
    uint32_t *every;       /* (capacity) 0, 1, 2, ... */
    char *packed;          /* (panels, depth, product.features) */
    size_t panel_bytes;
    float *bias;  /* of each packed feature; −∞ where there is none */
    size_t terms; /* of rounding; 0 if exact */
    double *panel_terms; /* (panels, terms) */
    struct arena arena;
};

/* Room for `capacity` features. Coarse gives exact where the tier has no coarse
 * product, and for rows of fewer than 128 numbers, which gain nothing. */
int encoder_init(struct encoder *enc, size_t d, size_t capacity,
                 enum encoder_precision precision, struct err *e);
void encoder_free(struct encoder *enc);

/* Features are rows of w (·, d) and numbers of b; `index` (m) says which, NULL
 * the first m. All three are borrowed until the next call. Nothing is packed
 * yet. */
void encoder_set(struct encoder *enc, const float *w, const float *b,
                 const uint32_t *index, size_t m);

/* Packs panel p < panels: features [p·product.features, ...). Panels may be
 * packed by several threads at once. */
void encoder_pack_panel(struct encoder *enc, size_t p);
/* Packs all panels. */
void encoder_pack(struct encoder *enc, const struct team *team);

/* A packed batch of rows. Zero it to begin. */
struct encoder_rows {
    size_t n, groups;
    size_t group_bytes;
    char *packed;
    float *margin; /* (n) of a coarse product, else 0 */
    double *terms; /* (enc->terms) of all features */
    size_t packed_capacity, margin_capacity, terms_capacity;
};

/* Begins a batch of n rows, after all panels are packed. False without memory.
 */
bool encoder_rows_begin(struct encoder_rows *rows, const struct encoder *enc,
                        size_t n);
void encoder_rows_free(struct encoder_rows *rows);
/* Packs group g of x (n, d). */
void encoder_pack_group(struct encoder_rows *rows, const struct encoder *enc,
                        const float *x, size_t g);

/* How a batch is cut into pieces, each one thread's work: blocks of whole
 * groups that stay in a core's L2 cache while panels stream by, and slabs of
 * panels, so that there are enough pieces to share. Neither has any influence
 * on what is found. */
struct encoder_cut {
    size_t blocks, slabs;
    size_t most_rows; /* of a block */
    size_t stretch;   /* depths at a time, so that a panel's stay in L1 */
};
struct encoder_cut encoder_cut_of(const struct encoder *enc, size_t n);

/* First group of block b, first panel of slab s; b and s may be one past the
 * last. */
size_t encoder_block_begin(const struct encoder_cut *cut,
                           const struct encoder_rows *rows, size_t b);
size_t encoder_slab_begin(const struct encoder_cut *cut,
                          const struct encoder *enc, size_t s);

/* What is a hit. */
struct encoder_rule {
    float floor;         /* h above it, */
    const float *floors; /* (n), or NULL: and above its row's own */
    const float *bound;  /* (m), or NULL: and h + below above bound[feature] */
    float below;
    size_t k; /* if not 0: of a row within a piece, the k largest, with all
                 that could be among them in a coarse product, and some more
                 where letting them go would cost more */
};

/* Per-thread scratch; zero it to begin. It grows as needed. */
struct encoder_scratch {
    float *tiles, *floor, *slack, *bound;
    size_t rows, features; /* there is room for */
    struct hits found;
    struct ranking ranking;
    struct encoder_best *best; /* (rows) */
    struct hits *kept;         /* (rows) for k */
};
void encoder_scratch_free(struct encoder_scratch *s);

/* Fills *out with the hits of a block and a slab, ordered by row and then
 * feature; start (rows of the block + 1) says where each row's begin. Of an
 * exact product h is the pre-activation; of a coarse one it is a lower bound,
 * h − margin, and 2·margin above it an upper one. False without memory. Cost:
 * 2·rows·depth·features flop. */
bool encoder_scan(const struct encoder *enc, const struct encoder_rows *rows,
                  const struct encoder_cut *cut, size_t block, size_t slab,
                  const struct encoder_rule *rule, struct hits *out,
                  uint32_t *start, struct encoder_scratch *s);

#endif
