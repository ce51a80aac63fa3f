/* SPDX-License-Identifier: MIT
 *
 * A job's parts: whether dump and SAEs fit together, found out before any
 * work, and what each SAE is scanned with.
 */
#ifndef ENCODE_JOB_H
#define ENCODE_JOB_H

#include "encode/encode.h"
#include "encode/scan.h"
#include "store/writer.h"

/* Loads SAE `i` of the job and finds the layer of the dump that it is for. An
 * SAE of another width or other heads, and a layer that the dump does not
 * have, are errors. On failure nothing is held. */
int job_load_sae(struct sae *s, int *layer, const struct encode_job *job,
                 size_t i, struct err *e);

/* What tells the job's SAEs from others, and what they are encoded with: the
 * options that change what is written of an SAE, and the seed, as JSON. */
struct job_identity {
    struct store_identity *saes; /* [n_saes] */
    char *options;
    struct arena arena;
};

/* Checks the dump, and loads and checks all SAEs, one after the other. On
 * failure nothing is held; else job_identity_free. */
int job_check(struct job_identity *out, const struct encode_job *job,
              struct err *e);
void job_identity_free(struct job_identity *identity);

/* Loads SAE `i` and prepares its scan; borrows the others. On failure nothing
 * is held; else job_end_scan. */
struct job_scan {
    struct sae sae;
    struct scan scan;
};
int job_begin_scan(struct job_scan *s, const struct encode_job *job, size_t i,
                   const struct job_identity *identity,
                   const struct sample *sample, struct err *e);
void job_end_scan(struct job_scan *s);

#endif
