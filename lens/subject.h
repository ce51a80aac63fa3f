/* SPDX-License-Identifier: MIT
 *
 * The model behind a dump, opened so that its z is the dump's z.
 */
#ifndef LENS_SUBJECT_H
#define LENS_SUBJECT_H

#include "capture/model.h"
#include "dump/dump.h"

/* Opens the model folder and checks that it is the dump's model: by fingerprint
 * where the dump has one, by shapes, tokens and lengths, and by running the
 * first context, whose z must be the dump's. That also tells whether the
 * dump's z is without value biases; they are folded then, and a manifest that
 * says otherwise is an error. A dump without token ids or contexts cannot be
 * run. On failure nothing is held; else model_close. */
int subject_open(struct model *m, const char *folder, const struct dump *d,
                 struct err *e);

#endif
