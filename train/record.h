/* SPDX-License-Identifier: MIT
 *
 * What a run writes down about itself: headscope.json, metrics.jsonl,
 * timing.json. docs/formats.md lists the keys.
 */
#ifndef TRAIN_RECORD_H
#define TRAIN_RECORD_H

#include <jansson.h>

#include "train/run.h"

/* A line of metrics.jsonl. */
struct record_point {
    uint64_t step, tokens;
    size_t k;
    double loss;      /* mean ‖e‖² of the batch, scaled units */
    double batch_fvu; /* error / d: scaled inputs have E‖x − μ‖² = d */
    const struct penalty *penalty;   /* of none, nothing is written */
    const struct curve *curve;       /* with the figures of this point */
    const struct spectrum *spectrum; /* of the held-out sample */
    double scale; /* of inputs: L1 and MSE are given in raw units */
    double l0, dead_fraction, rate, gradient_norm;
};
/* Writes it to the curve's file. */
int record_curve_point(const struct record_point *p, struct err *e);

/* headscope.json; NULL without memory. */
json_t *record_json(const struct run *r, const struct train_result *result);

/* What a run is, for checkpoint/run.json; NULL without memory. */
json_t *record_identity(const struct run *r);

/* Whether the SAE folder holds one that was trained to its end. */
bool record_is_finished(const char *folder);

/* Speed: apart from the rest, which is the same for equal runs. */
int record_timing(const char *folder, const struct train_result *result,
                  struct err *e);

#endif
