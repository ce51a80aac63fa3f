/* SPDX-License-Identifier: MIT
 *
 * An experiment as rows of the database (tables circuit...).
 */
#ifndef CIRCUIT_SAVE_H
#define CIRCUIT_SAVE_H

#include "circuit/experiment.h"
#include "store/writer.h"

struct save_input {
    const struct dump *dump;
    const struct experiment *experiment;
    const char *options;              /* as JSON */
    const double *difference, *probe; /* (heads) */
    const bool *truth;                /* (heads), or NULL */
    const char *truth_file;           /* whose effects are kept, or NULL */
    double auc, auc_sd, auc_edges, auc_shuffled, auc_mean_difference, auc_probe;
    double auc_edges_sd, auc_shuffled_sd, precision, precision_sd, recall,
        recall_sd, f1, f1_sd, paper_f1, paper_f1_sd;
};

/* Into a new database, or into one that is there, where a circuit of the dump's
 * name is replaced: a reader sees the state before or after. */
int save_circuit(const char *path, const struct save_input *in, struct err *e);

#endif
