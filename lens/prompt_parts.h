/* SPDX-License-Identifier: MIT
 *
 * A divided number as the lists of an answer: "parts" that add up to it and
 * "features" that divide heads a second time, each with the largest absolute
 * value first and cut at `top`.
 */
#ifndef LENS_PROMPT_PARTS_H
#define LENS_PROMPT_PARTS_H

#include "lens/readout.h"

/* A part of its own beside the stream's. */
struct prompt_constant {
    const char *name;
    double value;
};

struct prompt_parts {
    const struct readout *readout;
    size_t position; /* of the stream */
    const struct prompt_constant *constant;
    size_t n_constants;
    size_t top;
};

/* Adds sum, parts, parts_total, features and features_total to the object. */
int prompt_parts_add(json_t *object, const struct prompt_parts *parts,
                     const struct prompt_run *run, struct err *e);

#endif
