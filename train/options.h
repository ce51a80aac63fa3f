/* SPDX-License-Identifier: MIT
 *
 * What a training run can be told, and what follows from it for a given input.
 */
#ifndef TRAIN_OPTIONS_H
#define TRAIN_OPTIONS_H

#include <stdbool.h>

#include "base/options.h"
#include "sae/forward.h"
#include "train/controller.h"
#include "train/groups.h"
#include "train/resample.h"
#include "train/step.h"

enum train_architecture {
    TRAIN_BATCHTOPK,
    TRAIN_TOPK,
    TRAIN_MATRYOSHKA,
    TRAIN_RELU, /* from here on a penalty makes sparse, not k */
    TRAIN_JUMPRELU,
    TRAIN_GATED,
};

/* As options say it: a list for option tables, and one word for records. */
#define TRAIN_ARCHITECTURES "batchtopk|topk|matryoshka|relu|jumprelu|gated"
const char *train_architecture_name(enum train_architecture a);
/* Share of the rows for AuxK where options leave it open. */
#define TRAIN_AUX_ROWS "0.0625"
/* Of JumpReLU's rectangle. */
#define TRAIN_BANDWIDTH "0.1"
/* Names of train/presets.h. */
#define TRAIN_PRESETS "kissane or oneill"

/* Decoder rows at the start: from the whole sphere, or from the dimensions that
 * the rows use (train/input_statistics.h). */
enum train_init { TRAIN_INIT_RANDOM, TRAIN_INIT_ACTIVE, TRAIN_INIT_UNTIED };

enum train_penalty { /* as --penalty names them */
                     TRAIN_PENALTY_AUTO,
                     TRAIN_PENALTY_L1,
                     TRAIN_PENALTY_L0,
                     TRAIN_PENALTY_TARGET,
                     TRAIN_PENALTY_TANH,
};

/* As typed; 0 means "choose" where the help says so. */
struct train_options {
    int architecture;    /* enum train_architecture */
    const char *groups;  /* prefixes, as groups_parse reads them */
    const char *preset;  /* or NULL */
    int64_t features, k; /* m, k */
    double expansion;
    int penalty; /* enum train_penalty */
    double target_l0, lambda, sparsity_warmup, p_end, p_from;
    bool free_rows;
    double bandwidth, threshold_start, threshold_rate, pull;
    int64_t tokens, batch;
    double rate;
    int64_t warmup; /* steps */
    double warmup_floor, beta1, beta2, clip;
    int warmup_shape, loss; /* 1: cosine; mean */
    double decay;           /* share of the steps, at the end */
    double anneal;          /* share of the steps, at the start */
    double aux;             /* α of AuxK */
    double aux_rows;        /* share of the rows for it */
    int64_t dead_tokens;
    double held_out;
    int64_t memory; /* bytes of the shuffle's reservoirs */
    bool skip_bos;
    double skip_outliers;
    int init; /* enum train_init */
    bool unit_encoder, raw_inputs, zero_bias;
    int64_t resample, resample_every, resample_window; /* times, steps */
    double resample_below;                             /* share of the rows */
    double encoder_scale;  /* c of train/initialise.h, 0: the best */
    const char *start;     /* SAE folder to begin with, or NULL */
    int64_t metrics_every; /* steps */
};
enum { TRAIN_OPTION_COUNT = 47 }; /* a constant, for static option groups */
extern const struct option train_option_table[TRAIN_OPTION_COUNT];

/* The same, resolved. */
struct train_config {
    enum train_architecture architecture;
    enum rule rule;
    struct groups groups; /* none but for matryoshka */
    size_t d, m, k, batch;
    double aux;       /* α of AuxK */
    size_t aux_parts; /* AuxK takes one of so many parts of the rows a step */
    struct optimiser optimiser;
    struct sparsity sparsity;
    struct resampling resampling;
    double warmup_floor;
    bool warmup_cosine;
    uint64_t steps, warmup, decay_from, anneal_until, dead_tokens;
    double rate;
    double decay; /* share of the steps at the end */
};

/* Whether a penalty makes sparse. */
static inline bool train_has_penalty(enum train_architecture a)
{
    return a >= TRAIN_RELU;
}

/* Applies the defaults of docs/design.md and docs/architectures.md to an input
 * of width d with `rows` training rows, and refuses what cannot work (k > m,
 * more warm-up than steps, a penalty that the architecture cannot learn from).
 */
int train_configure(struct train_config *c, const struct train_options *o,
                    size_t d, uint64_t rows, struct err *e);

/* In how many parts AuxK takes the rows, for a share of them. */
size_t train_aux_parts(double share);

#endif
