/* SPDX-License-Identifier: MIT
 *
 * Where training starts: decoder rows random on the sphere, W_enc = c·W_dec,
 * b_enc = 0, b_dec = the mean of the scaled inputs.
 */
#ifndef TRAIN_INITIALISE_H
#define TRAIN_INITIALISE_H

#include "train/input.h"
#include "train/input_statistics.h"
#include "train/step.h"

/* Draws the parameters of `s`, confined to the axes of `statistics` if it has
 * any. c is `scale`, or where that is 0 chosen by the held-out sample of `in`:
 * with b_enc = 0 the selected features do not depend on c > 0, and with y the
 * reconstruction for c = 1 the error Σ‖x − b_dec − c·y‖² is least at
 * c = Σ⟨x − b_dec, y⟩ / Σ‖y‖². */
int initialise(struct step *s, const struct input *in,
               const struct input_statistics *statistics,
               const struct step_plan *plan, double scale, uint64_t seed,
               struct err *e);

#endif
