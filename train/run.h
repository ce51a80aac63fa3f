/* SPDX-License-Identifier: MIT
 *
 * One SAE in training: its rows' columns, configuration, parameters, curve,
 * checkpoints and output folder. Several runs can share a reading.
 *
 * Call order: run_open, run_step for each batch from run.done on, run_save at
 * times, run_finish; run_close in any case.
 */
#ifndef TRAIN_RUN_H
#define TRAIN_RUN_H

#include "base/output.h"
#include "train/curve.h"
#include "train/finish.h"
#include "train/input_statistics.h"
#include "train/step.h"
#include "train/train.h"

struct run {
    const struct train_job *job;
    const struct train_spec *spec;
    struct train_config config;
    struct input in;
    struct input_statistics statistics;
    struct spectrum held_out; /* of the held-out sample; d 0: too wide */
    struct sae start;         /* with --start; d 0 without */
    struct parameters p;
    struct step step;
    struct arena arena;
    float *batch; /* (batch, d) */
    struct curve curve;
    struct controller controller;
    uint64_t done;  /* steps */
    uint64_t begun; /* steps that were done before */
    uint64_t saved; /* steps at the last checkpoint */
    bool diverged;  /* the loss was not finite */
    bool failed;    /* it is not gone on with, others of the job are */
    bool keeps;     /* the partial folder holds a checkpoint */
    json_t *identity;
    struct output output;
    struct step_result last; /* of the last step */
};

/* Begins anew or goes on, as the job says. On failure run_close is still due.
 */
int run_open(struct run *r, const struct train_job *job,
             const struct train_spec *spec, const struct reading *reading,
             struct err *e);
/* All but parameters and output; then the parameters to begin with. For
 * estimates. */
int run_prepare(struct run *r, const struct train_job *job,
                const struct train_spec *spec, const struct reading *reading,
                struct err *e);
int run_initialise(struct run *r, struct err *e);

/* One step on rows (batch, reading's width), and a point of the curve where one
 * is due. A loss that is not finite is an error that says where to go on from.
 */
int run_step(struct run *r, const float *rows, struct err *e);

/* Writes a checkpoint. */
int run_save(struct run *r, struct err *e);

/* Writes the SAE as it is, its checkpoint with it; then puts the folder in
 * place. */
int run_finish(struct run *r, struct train_result *out, double seconds,
               struct err *e);

int run_commit(struct run *r, struct err *e);

/* Frees all. An output that was not put in place stays as a partial folder
 * where it holds a checkpoint, and is removed where it does not. */
void run_close(struct run *r);

#endif
