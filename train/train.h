/* SPDX-License-Identifier: MIT
 *
 * The stage: an open dump in, an SAE folder out. Everything that the folder
 * holds is a function of the dump, the options and the seed, but for
 * timing.json. Ctrl-C ends after the current step and writes the SAE as it is
 * then (headscope.json says "finished": false).
 */
#ifndef TRAIN_TRAIN_H
#define TRAIN_TRAIN_H

#include "train/finish.h"

struct train_job {
    const struct dump *dump;
    int layer;
    const struct train_options *options;
    const json_t *recorded; /* options as typed, for headscope.json */
    uint64_t seed;
    const char *output; /* NAME.sae */
    bool force;
    const struct team *team;
};

/* What a run came to. */
struct train_result {
    struct train_config config;
    struct finish_figures held_out;
    uint64_t steps, tokens; /* done */
    double dead_fraction;   /* features silent for config.dead_tokens */
    double seconds;         /* of the steps */
};

/* Trains and writes. An interrupted run gives ERR_INTERRUPTED with *out
 * filled, after writing; before its first step it writes nothing. */
int train_run(struct train_result *out, const struct train_job *job,
              struct err *e);

/* What a run would cost. */
struct train_estimate {
    struct train_config config;
    double seconds;   /* from steps measured now */
    uint64_t memory;  /* bytes */
    uint64_t written; /* bytes of the SAE folder */
};
int train_estimate_run(struct train_estimate *out, const struct train_job *job,
                       struct err *e);

#endif
