/* SPDX-License-Identifier: MIT
 *
 * Measures the training step as `headscope train` runs it, phase by phase,
 * against this computer's peaks and, if asked, against the same step on dense
 * products. All figures come from one run, the variants in turn, so that their
 * ratios hold on a noisy machine.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "bench/peak.h"
#include "bench/problem.h"

struct bench_job {
    const struct problem *problem;
    const struct team *team;
    size_t steps; /* timed steps of each variant */
    bool dense, one_thread;
};

struct bench_result {
    struct peak peak;
    double seconds;            /* of a step, median */
    double phase[STEP_PHASES]; /* seconds, medians */
    double one_thread;         /* seconds of a step by one thread; 0: not run */
    double dense;              /* seconds of a dense step, median; 0: not run */
    double candidates;         /* rescored pairs a step; 0 on exact tiers */
    double passes;             /* products a step, 1 but for wrong floors */
    uint64_t weight_bytes;     /* fp32 weights, Adam moments, packed W_enc */
    uint64_t other_bytes;      /* all else that a step uses, its batch included,
                                  as the process grew */
};

int bench_run(struct bench_result *out, const struct bench_job *job,
              struct err *e);

#endif
