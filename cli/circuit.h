/* SPDX-License-Identifier: MIT
 *
 * What `headscope circuit` works with, and its report.
 */
#ifndef CLI_CIRCUIT_H
#define CLI_CIRCUIT_H

#include <jansson.h>

#include "base/options.h"
#include "circuit/experiment.h"

/* Zero it to begin. */
struct circuit {
    struct dump *dump;
    struct task task;
    struct experiment experiment;
    double *difference, *probe; /* (heads), NaN: not known */
    double *answer_share;       /* the same, of controls.h */
    double difference_shuffled; /* AUC of `difference` with labels shuffled */
    bool *truth;                /* (heads), or NULL */
    size_t features;            /* of the SAE */
    double theta;               /* of the predicted set; 0: as many heads as the
                                   circuit has */
    struct team team;
    struct arena arena;
};

void circuit_free(struct circuit *c);

/* Adds all values of the command's own options but -o, --truth and --top, on
 * which nothing depends, as "options". */
int circuit_report_options(json_t *report, const struct option_group *own,
                           struct err *e);

/* Room for the measures without codes, unknown as yet, and the truth at `path`,
 * or NULL: after the task is there. */
int circuit_open_truth(struct circuit *c, const char *path, struct err *e);

/* The measures without codes, of the task's vectors. */
int circuit_measure_controls(struct circuit *c, size_t shuffles, uint64_t seed,
                             struct err *e);

/* A position from 0 or, negative, from the end; `names` are the other values
 * of --position. */
int circuit_read_token(int64_t *token, const char *text, const char *names,
                       struct err *e);

/* Heads by falling score. */
struct place {
    double score;
    size_t head;
};
int circuit_rank(struct place **out, struct circuit *c, struct err *e);

/* Adds seeds from number `first` on, what the truth makes of them, heads with
 * their codes, and edges. */
int circuit_report(json_t *report, struct circuit *c,
                   const struct place *places, int64_t first, struct err *e);

/* Prints the first `top` heads, and the figures of a report. */
void circuit_print(const struct circuit *c, const struct place *places,
                   int64_t top, const json_t *report);

#endif
