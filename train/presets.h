/* SPDX-License-Identifier: MIT
 *
 * Published recipes as sets of training options; docs/architectures.md says
 * where each value is from and what they leave out.
 */
#ifndef TRAIN_PRESETS_H
#define TRAIN_PRESETS_H

#include "base/options.h"

/* Ended by a NULL name; TRAIN_PRESETS names them. */
extern const struct option_preset train_presets[];

#endif
