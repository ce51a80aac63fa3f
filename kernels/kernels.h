/* SPDX-License-Identifier: MIT
 *
 * All hot arithmetic, behind one table of function pointers. A tier
 * (kernels/cpu.h) is a folder whose files fill rows of the table; rows that a
 * tier leaves alone are those of the tier before. portable/ fills all and is
 * the definition: it gives the same bytes on every computer. The others may sum
 * in another order and fuse products, within the bounds stated here, where ε =
 * 2^-24; they hold while nothing overflows, and each product or quotient that
 * is subnormal may be off by 2^-150 more. Within a tier a result depends on
 * nothing but the arguments; aligned or not, at the end of a page or not.
 *
 * Kernels cannot fail, allocate nothing, and may run on any thread. Arrays may
 * be unaligned unless said otherwise, do not overlap unless said otherwise, and
 * sizes may be 0. Values that are not finite spread as arithmetic has it.
 *
 * Dimensions: n rows, d input width, m features.
 */
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "kernels/cpu.h"
#include "kernels/hits.h"

/* What packing's rounding does to products: a row's margin covers them, but for
 * the exceptions that kernels/encoder.h states with the formulas. A feature has
 * terms, a few numbers; those of many features are the largest of each. What is
 * not finite has no terms and no margin. */
struct rounding {
    /* How many terms a feature of length d has. */
    size_t (*terms)(size_t d);
    /* Raises terms to those of a packed panel where these are larger. */
    void (*raise)(double *terms, const void *panel, size_t d);
    /* Of n rows of a packed group with features of such terms. */
    void (*margins)(float *margin, const void *group, size_t n, size_t d,
                    const double *terms);
};

/* A way to multiply rows by features, in tiles of rows × features numbers.
 * Operands are packed: x into groups of `rows` rows, W into panels of
 * `features` features, both with the depth d padded by zeros to a multiple of
 * `step` (product_depth) and missing rows or features filled with zeros.
 * A step of depth takes group_step bytes of a group and panel_step of a panel,
 * and all that the product needs for it is in there, so that a stretch of
 * depths that begins at a multiple of `step` is packed memory that begins so
 * many steps behind the beginning. Packed memory is aligned to 64 bytes. */
struct product {
    const char *numbers; /* as they are packed: "fp32", "bf16", "int8" */
    size_t rows, features;
    size_t step;
    size_t group_step, panel_step;

    /* Packs x (n, d), 1 <= n <= rows, as one group. */
    void (*pack_rows)(void *group, const float *x, size_t n, size_t d);
    /* Packs n rows of w, 1 <= n <= features, as one panel: feature i is the
     * row of length d that begins at w + index[i]·d. */
    void (*pack_features)(void *panel, const float *w, const uint32_t *index,
                          size_t n, size_t d);
    /* tiles (n_groups, rows, features), aligned: the product of groups, which
     * lie group_bytes apart, with one panel over `depth` (> 0) depths, a
     * multiple of step; added to what is there if `more`. Sums run over depth
     * in order, so that a product may be cut into stretches of depth without
     * changing a bit of it. Error, against the numbers as packed, at most
     * (depth + 2)·ε·Σ|x·w|, to which with `more` the size of what was there is
     * added; on bf16 at most 2·(depth + 2)·(ε·Σ|x·w| + 2^-126), as products of
     * bf16 take subnormal numbers as zero and sums that are subnormal may
     * become zero. */
    void (*run)(float *tiles, const void *groups, size_t n_groups,
                size_t group_bytes, const void *panel, size_t depth, bool more);
    /* A loop of the same multiply-adds that stays in registers (AMX: tiles from
     * L1), for measuring the peak: does at least `flop` operations and returns
     * how many. */
    double (*peak)(double flop);

    struct rounding rounding; /* none of a product of floats */
};

/* A comparison of tiles. */
struct above {
    const float *bias;  /* (features) */
    const float *bound; /* (features), or NULL */
    const float *floor; /* (n) */
    const float *slack; /* (n) */
    uint32_t first_row, first_feature;
};

/* Constants of one step of Adam (Kingma & Ba 2015), the same for all rows. */
struct adam {
    float beta1, beta2, epsilon;
    float rate;   /* learning rate / (1 − β1^t) */
    float root_v; /* 1 / √(1 − β2^t) */
};

struct kernels {
    enum cpu_tier tier;

    /* ---- the encoder product and its selection ---- */

    /* fp32. */
    struct product exact;
    /* int8 or bf16, several times as fast, to find candidates; run is NULL
     * where a tier has none. */
    struct product coarse;

    /* From tiles (n, features) and h = tile + bias[feature]: the h that are
     * above floor[row] and, where bound is given, h + slack[row] above
     * bound[feature]; as hits with row and feature counted from first_row and
     * first_feature, ordered by row and then feature. `out` has room for all n
     * × features. A NaN is never above. Returns how many. */
    size_t (*above)(struct hit *out, const float *tiles, size_t n,
                    size_t features, const struct above *a);

    /* ---- rows ---- */

    /* Σ a·b; error at most (n/8 + 8)·ε·Σ|a·b|. */
    float (*dot)(const float *a, const float *b, size_t n);
    /* Σ a·b with products and sums in double; error at most n·2^-52·Σ|a·b|. */
    double (*dot_double)(const float *a, const float *b, size_t n);
    /* y += a·x; error at most 2·ε·(|y| + |a·x|). */
    void (*add_scaled)(float *y, float a, const float *x, size_t n);
    /* out = x − b; out may be x. Exact to the bit, NaNs aside, as scale is. */
    void (*subtract)(float *out, const float *x, const float *b, size_t n);
    /* x *= a */
    void (*scale)(float *x, float a, size_t n);

    /* ---- few rows out of many ---- */

    /* y (d) += Σ_i value[i]·row index[i] of w (·, d), i in order; error at most
     * (count + 1)·ε·(|y| + Σ|value·w|). */
    void (*add_rows)(float *y, const float *w, const uint32_t *index,
                     const float *value, size_t count, size_t d);
    /* out[i] = x (d) · row index[i] of w (·, d); as dot, to the bit. */
    void (*dot_rows)(float *out, const float *x, const float *w,
                     const uint32_t *index, size_t count, size_t d);
    /* out[h] = z_h · w_h for heads of width d_head: z, w (heads, d_head); as
     * dot, to the bit. Direct feature attribution, Kissane et al. 2024. */
    void (*dot_heads)(float *out, const float *z, const float *w, size_t heads,
                      size_t d_head);

    /* ---- the update ---- */

    /* With gradient G = g·scale (n):
     *     m ← β1·m + (1 − β1)·G,  v ← β2·v + (1 − β2)·G²
     *     w ← w − rate · m / (√v · root_v + ε)
     * G, 1 − β1 and 1 − β2 are rounded to float, and each line is held against
     * the values that those before it stored. Error of m and v at most
     * 3·ε·(|first term| + |second|); of w, ε·|w| and 8·ε of what is taken from
     * it. */
    void (*adam)(const struct adam *a, float *w, float *m, float *v,
                 const float *g, float scale, size_t n);

    /* ---- f32 and the half-width formats of activation files ----
     * Rounding is to nearest even; what is too large becomes an infinity.
     * Narrowing to bf16 turns subnormals into signed zeros, as VCVTNEPS2BF16
     * does, and NaNs are kept as quiet NaNs, as VCVTPH2PS and VCVTPS2PH do (but
     * bf16_to_f32, which is a shift, keeps them as they are).
     * The same bits in every tier. */
    void (*f16_to_f32)(float *out, const void *in, size_t n);
    void (*bf16_to_f32)(float *out, const void *in, size_t n);
    void (*f32_to_f16)(uint16_t *out, const float *in, size_t n);
    void (*f32_to_bf16)(uint16_t *out, const float *in, size_t n);
    /* Index of the first value that is NaN or infinite; n if all are finite. */
    size_t (*first_not_finite)(const float *x, size_t n);
};

/* The table in use: empty until kernels_choose, and not to be changed while
 * threads use it. */
extern struct kernels kernels;

/* Chooses the best tier of this computer, or the one that is named: `name`, or
 * where that is NULL the environment's HEADSCOPE_CPU. A name that is unknown or
 * more than this computer has is ERR_INPUT. Says on the log what is used. */
int kernels_choose(const char *name, struct err *e);

/* The table of one tier, which this computer must have. */
struct kernels kernels_of(enum cpu_tier tier);

/* What each tier lays over the table; cpu_*.c knows which there are. */
void kernels_portable(struct kernels *k);
void kernels_avx2(struct kernels *k);
void kernels_avx512(struct kernels *k);
void kernels_avx512vnni(struct kernels *k);
void kernels_avx512bf16(struct kernels *k);
void kernels_amx(struct kernels *k);
/* All overlays up to a tier. */
void kernels_overlay(struct kernels *k, enum cpu_tier tier);

/* Depth d padded for a product. */
static inline size_t product_depth(const struct product *p, size_t d)
{
    return (d + p->step - 1) / p->step * p->step;
}

/* Bytes of `depth` depths, a multiple of step, of a group and of a panel. */
static inline size_t product_group(const struct product *p, size_t depth)
{
    return depth / p->step * p->group_step;
}
static inline size_t product_panel(const struct product *p, size_t depth)
{
    return depth / p->step * p->panel_step;
}

/* Constants of step t, the first being 1. */
struct adam adam_at(double beta1, double beta2, double epsilon, double rate,
                    double t);

#endif
