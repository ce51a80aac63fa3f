/* SPDX-License-Identifier: MIT
 *
 * What a training run can be told, and what follows from it for a given input.
 */
#ifndef TRAIN_OPTIONS_H
#define TRAIN_OPTIONS_H

#include <stdbool.h>

#include "base/options.h"
#include "sae/forward.h"
#include "train/groups.h"

enum train_architecture { TRAIN_BATCHTOPK, TRAIN_TOPK, TRAIN_MATRYOSHKA };

/* As options say it: a list for option tables, and one word for records. */
#define TRAIN_ARCHITECTURES "batchtopk|topk|matryoshka"
const char *train_architecture_name(enum train_architecture a);
/* Share of the rows for AuxK where options leave it open. */
#define TRAIN_AUX_ROWS "0.0625"

/* Decoder rows at the start: from the whole sphere, or from the dimensions that
 * the rows use (train/input_statistics.h). */
enum train_init { TRAIN_INIT_RANDOM, TRAIN_INIT_ACTIVE };

/* As typed; 0 means "choose" where the help says so. */
struct train_options {
    int architecture;    /* enum train_architecture */
    const char *groups;  /* prefixes, as groups_parse reads them */
    int64_t features, k; /* m, k */
    int64_t tokens, batch;
    double rate;
    int64_t warmup;  /* steps */
    double decay;    /* share of the steps, at the end */
    double anneal;   /* share of the steps, at the start */
    double aux;      /* α of AuxK */
    double aux_rows; /* share of the rows for it */
    int64_t dead_tokens;
    double held_out;
    int64_t memory; /* bytes of the shuffle's reservoirs */
    bool skip_bos;
    double skip_outliers;
    int init;              /* enum train_init */
    double encoder_scale;  /* c of train/initialise.h, 0: the best */
    const char *start;     /* SAE folder to begin with, or NULL */
    int64_t metrics_every; /* steps */
};
enum { TRAIN_OPTION_COUNT = 21 }; /* a constant, for static option groups */
extern const struct option train_option_table[TRAIN_OPTION_COUNT];

/* The same, resolved. */
struct train_config {
    enum train_architecture architecture;
    enum rule rule;
    struct groups groups; /* none but for matryoshka */
    size_t d, m, k, batch;
    size_t aux_parts; /* AuxK takes one of so many parts of the rows a step */
    uint64_t steps, warmup, decay_from, anneal_until, dead_tokens;
    double rate;
    double decay; /* share of the steps at the end */
};

/* Applies the defaults of docs/design.md to an input of width d with `rows`
 * training rows, and refuses what cannot work (k > m, more warm-up than steps).
 */
int train_configure(struct train_config *c, const struct train_options *o,
                    size_t d, uint64_t rows, struct err *e);

/* Makes `steps` the end of a run that has come to its own at step `from`: the
 * rate stays and falls again over the last part of the extension, k stays. */
void train_extend(struct train_config *c, uint64_t from, uint64_t steps);

/* In how many parts AuxK takes the rows, for a share of them. */
size_t train_aux_parts(double share);

/* Learning rate and k of step t, the first being 1: linear warm-up, constant,
 * linear decay to zero; k falls linearly from min(4k, m/8), if that is more,
 * to its value. */
double train_rate_at(const struct train_config *c, uint64_t t);
size_t train_k_at(const struct train_config *c, uint64_t t);

#endif
