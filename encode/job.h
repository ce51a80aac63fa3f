/* SPDX-License-Identifier: MIT
 *
 * A job's parts: whether dump and SAEs fit together, found out before any
 * work, and what each SAE is scanned with.
 */
#ifndef ENCODE_JOB_H
#define ENCODE_JOB_H

#include "encode/encode.h"
#include "encode/scan.h"

/* Loads SAE `i` of the job and finds the layer of the dump that it is for. An
 * SAE of another width or other heads, and a layer that the dump does not
 * have, are errors. On failure nothing is held. */
int job_load_sae(struct sae *s, int *layer, const struct encode_job *job,
                 size_t i, struct err *e);

/* Checks the dump, and loads and checks all SAEs, one after the other. */
int job_check(const struct encode_job *job, struct err *e);

/* Loads SAE `i` and prepares its scan; borrows `sample`. On failure nothing is
 * held; else job_end_scan. */
struct job_scan {
    struct sae sae;
    struct scan scan;
};
int job_begin_scan(struct job_scan *s, const struct encode_job *job, size_t i,
                   const struct sample *sample, struct err *e);
void job_end_scan(struct job_scan *s);

#endif
