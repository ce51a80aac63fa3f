/* SPDX-License-Identifier: MIT
 *
 * The middle of a training step (train/step.h): from the code list to x̂, and
 * the gradient of each entry. For step.c alone.
 */
#ifndef TRAIN_DECODE_H
#define TRAIN_DECODE_H

#include "train/step.h"

/* Rows of one item of parallel work. */
enum { DECODE_ROWS = 64 };

/* Whether features have numbers of their own: thresholds, or gates. */
bool decode_has_own(const struct step *s);
struct gate decode_gate(const struct step *s);
/* Row r of the codes, with what is known of each entry. */
struct entries decode_entries(const struct step *s, size_t r);

/* Fills gradient, g, side, row_loss, row_error and row_penalty of all rows, and
 * block_bias with ΣG of each block of rows. */
void decode_batch(struct step *s);

#endif
