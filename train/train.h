/* SPDX-License-Identifier: MIT
 *
 * The stage: an open dump in, SAE folders out. Everything that a folder holds
 * is a function of the dump, the options and the seed, but for timing.json.
 *
 * All SAEs of a job are trained side by side from one reading of the dump.
 * Checkpoints are written on the way; a run that was killed goes on from its
 * last one to the same bytes. Ctrl-C and SIGTERM end after the current step and
 * write the SAEs as they are then, with a checkpoint (headscope.json says
 * "finished": false).
 */
#ifndef TRAIN_TRAIN_H
#define TRAIN_TRAIN_H

#include "train/finish.h"
#include "train/reading.h"

/* One SAE to train. */
struct train_spec {
    const struct train_options *options;
    const json_t *recorded; /* options as typed, for headscope.json */
    size_t first, d;        /* columns of the job's view */
    int heads;              /* that the columns hold side by side */
    const char *rows;       /* what a row is: "layer", "head", "heads",
                               "results" */
    char hook[64];          /* name of the activations */
    int head;               /* the one head, or -1 */
    const char *output;     /* NAME.sae */
};

struct train_job {
    const struct view *view;
    struct reading_options reading;
    const struct train_spec *specs;
    size_t n_specs;
    int64_t checkpoint_steps; /* between checkpoints; 0: some minutes */
    bool force;               /* replace outputs that exist */
    bool resume;              /* go on where an interrupted run stopped */
    uint64_t extend; /* rows to train on beyond a finished run; 0: no */
    const struct team *team;
};

/* What a run came to. */
struct train_result {
    bool diverged; /* its loss was not finite, so it is not written */
    struct train_config config;
    struct finish_figures held_out;
    uint64_t steps, tokens; /* done */
    uint64_t tokens_now;    /* of them in this run of the program */
    double dead_fraction;   /* features silent for config.dead_tokens */
    double seconds;         /* of the steps, all SAEs of the job together */
    double waited;          /* of them waiting for rows */
};

/* Trains and writes; out[n_specs], with steps 0 for those that are not written.
 * An interrupted job gives ERR_INTERRUPTED after writing; before its first step
 * it writes nothing. An SAE whose loss is not finite, or that cannot be
 * written, stays as its last checkpoint; those beside it are trained to the end
 * and written, then the error names it. */
int train_run(struct train_result *out, const struct train_job *job,
              struct err *e);

/* What a job would cost. */
struct train_estimate {
    struct train_config config; /* of its first SAE */
    double seconds;             /* from steps measured now */
    uint64_t memory;            /* bytes */
    uint64_t written;           /* bytes of the SAE folders */
};
int train_estimate_run(struct train_estimate *out, const struct train_job *job,
                       struct err *e);

#endif
