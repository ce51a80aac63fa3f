/* SPDX-License-Identifier: MIT
 *
 * What a training run can be told, and what follows from it for a given input.
 */
#ifndef TRAIN_OPTIONS_H
#define TRAIN_OPTIONS_H

#include <stdbool.h>

#include "base/options.h"
#include "sae/forward.h"

enum train_architecture { TRAIN_BATCHTOPK, TRAIN_TOPK };

/* As typed; 0 means "choose" where the help says so. */
struct train_options {
    int architecture;    /* enum train_architecture */
    int64_t features, k; /* m, k */
    int64_t tokens, batch;
    double rate;
    int64_t warmup; /* steps */
    double decay;   /* share of the steps, at the end */
    double anneal;  /* share of the steps, at the start */
    double aux;     /* α of AuxK */
    int64_t dead_tokens;
    double held_out;
    int64_t memory;        /* bytes of the shuffle's reservoir */
    int64_t metrics_every; /* steps */
};
enum { TRAIN_OPTION_COUNT = 14 }; /* a constant, for static option groups */
extern const struct option train_option_table[TRAIN_OPTION_COUNT];

/* The same, resolved. */
struct train_config {
    enum train_architecture architecture;
    enum rule rule;
    size_t d, m, k, batch;
    uint64_t steps, warmup, decay_from, anneal_until, dead_tokens;
    double rate;
};

/* Applies the defaults of docs/design.md to an input of width d with `rows`
 * training rows, and refuses what cannot work (k > m, more warm-up than steps).
 */
int train_configure(struct train_config *c, const struct train_options *o,
                    size_t d, uint64_t rows, struct err *e);

/* Learning rate and k of step t, the first being 1: linear warm-up, constant,
 * linear decay to zero; k falls linearly from min(4k, m/8), if that is more,
 * to its value. */
double train_rate_at(const struct train_config *c, uint64_t t);
size_t train_k_at(const struct train_config *c, uint64_t t);

#endif
