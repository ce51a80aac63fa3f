/* SPDX-License-Identifier: MIT
 *
 * What `headscope circuit` works with, and its report.
 */
#ifndef CLI_CIRCUIT_H
#define CLI_CIRCUIT_H

#include <jansson.h>

#include "circuit/experiment.h"

/* Zero it to begin. */
struct circuit {
    struct dump *dump;
    struct task task;
    struct experiment experiment;
    double *difference, *probe; /* (heads) */
    bool *truth;                /* (heads), or NULL */
    size_t features;            /* of the SAE */
    double theta;               /* of the predicted set; 0: as many heads as the
                                   circuit has */
    struct team team;
    struct arena arena;
};

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
