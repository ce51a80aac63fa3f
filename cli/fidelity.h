/* SPDX-License-Identifier: MIT
 *
 * The part of `headscope eval` that needs the model: what it predicts with the
 * reconstructions of SAEs in place of z (lens/fidelity.h).
 */
#ifndef CLI_FIDELITY_H
#define CLI_FIDELITY_H

#include <jansson.h>

#include "cli/measured.h"

struct fidelity_job {
    const char *model; /* folder */
    const struct dump *dump;
    const char *const *saes; /* [n_saes] folders, one for a layer */
    size_t n_saes;
    struct measured_options rows; /* which contexts */
    int threads;
    bool dry_run; /* only checks */
};

/* Adds "fidelity" to the report. Runs on whole contexts, evenly spread, of
 * about rows.rows tokens, that are in the split of every SAE. */
int fidelity_report(json_t *report, const struct fidelity_job *job,
                    struct err *e);

#endif
