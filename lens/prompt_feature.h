/* SPDX-License-Identifier: MIT
 *
 * One feature at one token of a run: what prompt_sources and prompt_trace begin
 * from.
 */
#ifndef LENS_PROMPT_FEATURE_H
#define LENS_PROMPT_FEATURE_H

#include "lens/prompt_run.h"

struct prompt_feature {
    int layer;
    uint32_t feature;
    size_t position;
    double activation;  /* 0: not active */
    const float *w_enc; /* (d) */
};

/* Reads "L2F130@5": a feature of a layer with an SAE, at a token of the run. */
int prompt_feature_read(struct prompt_feature *f, const struct prompt_run *run,
                        const char *text, struct err *e);

/* DFA by source of one head: terms (position + 1), lens/sources.h. `w` and
 * `room` hold d_head doubles and position + 1 floats. */
void prompt_feature_sources(double *terms, double *w, float *room,
                            const struct prompt_run *run,
                            const struct prompt_feature *f, int head);

#endif
