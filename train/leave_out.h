/* SPDX-License-Identifier: MIT
 *
 * Tokens that are kept out of training and out of the held-out rows: the first
 * of every context, where models put BOS and park attention, and those of an
 * outlying norm. A few such rows can hold most of the variance, and an SAE then
 * learns them and little else (reference: docs/metrics.md, "Outliers").
 */
#ifndef TRAIN_LEAVE_OUT_H
#define TRAIN_LEAVE_OUT_H

#include "train/reading.h"

/* Takes them out of r->train and r->held_out and counts them. A norm is
 * over all heads of the layers read, the median that of training tokens. */
int leave_out(struct reading *r, const struct reading_options *o,
              struct err *e);

#endif
