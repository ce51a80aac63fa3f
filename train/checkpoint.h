/* SPDX-License-Identifier: MIT
 *
 * What a run needs to go on to the same bytes, in the folder checkpoint/ of an
 * SAE folder:
 *
 *     run.json           what the run is: dump, rows, options, seed. Written
 *                        once; a run goes on only where it is the same
 *     state.safetensors  weights, Adam's moments, dead counters, the norm that
 *                        clips the next step, steps done, bytes of
 *                        metrics.jsonl; whether the last batch was dense, the
 *                        controller of a penalty, and
 *                        activations counted for resampling. Replaced in one
 * rename
 *
 * The position in the data, the schedules and k follow from the steps done; the
 * bound that batch-wide selection begins with has no influence on results.
 */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include <jansson.h>
#include <stdbool.h>

#include "train/controller.h"

/* Below an SAE folder. A folder that holds it can be gone on with. */
#define CHECKPOINT_FOLDER "checkpoint"
#define CHECKPOINT_STATE "checkpoint/state.safetensors"

enum { CHECKPOINT_VERSION = 1 };

struct checkpoint {
    uint64_t step;        /* done */
    uint64_t curve_bytes; /* of metrics.jsonl */
    struct controller controller;
};

/* What a state holds that not every run has. */
struct checkpoint_parts {
    bool controller, fired;
};

/* Writes checkpoint/run.json into `folder`; `identity` is borrowed. */
int checkpoint_begin(const char *folder, const json_t *identity, struct err *e);

/* Compares with what the run in `folder` is and names what differs; with
 * any_end their ends may differ. Another tier of kernels is only a warning. */
int checkpoint_compare(const char *folder, const json_t *identity, bool any_end,
                       struct err *e);

/* The number of steps that the run in `folder` is to have, and the step from
 * which it was extended to that, 0 if it was not. */
int checkpoint_end(uint64_t *steps, uint64_t *extended_from, const char *folder,
                   struct err *e);

/* Writes the state of a run whose partial output is `folder`: old or new
 * whenever the program is killed. */
int checkpoint_save(const char *folder, const struct checkpoint *c,
                    const struct step *s, struct checkpoint_parts parts,
                    struct err *e);

/* Fills the parameters, counters and norm of `s`, which has the widths that the
 * run was begun with, and packs it. */
int checkpoint_load(struct checkpoint *c, struct step *s,
                    struct checkpoint_parts parts, const char *folder,
                    struct err *e);

#endif
