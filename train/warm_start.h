/* SPDX-License-Identifier: MIT
 *
 * Training that begins with the weights of an SAE folder, of any trainer whose
 * folders sae_load reads, in place of random ones. Adam's moments, the
 * schedules and the dead counters begin anew.
 */
#ifndef TRAIN_WARM_START_H
#define TRAIN_WARM_START_H

#include "sae/sae.h"
#include "train/input.h"
#include "train/step.h"

/* Loads the SAE, which must have rows of width d. */
int warm_start_load(struct sae *s, const char *folder, size_t d, struct err *e);

/* Fills the step's parameters, m features wide as the SAE, and packs them. The
 * function stays the same: decoder rows become unit vectors, their length going
 * to the encoder; a bias that the SAE does not subtract goes from b_dec to
 * b_enc (x·W + b = (x − b_dec)·W + (b + b_dec·W)); and inputs are scaled by s,
 * so both biases are (docs/formats.md, "fold"). Thresholds are taken over where
 * the run has some; gates open at them. */
void warm_start(struct step *step, const struct sae *s, const struct input *in);

#endif
