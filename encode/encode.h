/* SPDX-License-Identifier: MIT
 *
 * The stage: one dump and any number of SAEs become one database. Every SAE is
 * scanned once (scan.h: what covers all tokens) and then written (rows.h,
 * tables.h). Equal input, options and seed give equal bytes, on any number of
 * threads.
 */
#ifndef ENCODE_ENCODE_H
#define ENCODE_ENCODE_H

#include <stdbool.h>

#include "base/options.h"
#include "base/team.h"
#include "dump/dump.h"

struct encode_options {
    const char *output;        /* the database */
    int64_t rows;              /* tokens to keep rows for */
    int64_t examples;          /* of a feature */
    int64_t interval_examples; /* of each random set of a feature */
    int64_t head_examples;     /* of a feature and a head */
    int64_t memory;            /* bytes for what grows with the dump */
    const char *model;         /* folder, or NULL: whose sources are sought */
    const char *layer;    /* number for SAEs that do not say theirs, or NULL */
    bool append, replace; /* change a database that is there */
    const char *remove;   /* names of SAEs, with commas between, or NULL */
};
enum { ENCODE_OPTION_COUNT = 11 };
extern const struct option encode_option_table[ENCODE_OPTION_COUNT];

struct encode_sources;

struct encode_job {
    const struct dump *dump;
    const char *const *saes; /* folders */
    size_t n_saes;
    const struct encode_options *options;
    int64_t seed;
    bool force;
    struct team team;
    const struct encode_sources *sources; /* encode/sources.h, or NULL */
};

/* Checks all SAEs against the dump, then encodes them in the order given. A new
 * database appears when all are done; if the run ends before, the next with the
 * same job goes on behind the last SAE that is complete. With `append` or
 * `replace` the SAEs go into a database that is there, each at once when it is
 * complete; those that are there already are left out. */
int encode_run(const struct encode_job *job, struct err *e);

/* Removes SAEs, as options->remove says. Needs no dump. */
int encode_remove(const struct encode_options *options, struct err *e);

/* What it would cost. */
struct encode_estimate {
    double seconds, disk_bytes, spill_bytes, memory_bytes;
    double activations; /* of all SAEs, in the sample */
};

/* Makes the same checks, measures the encoder on some tokens of each SAE, and
 * writes nothing. */
int encode_estimate(struct encode_estimate *out, const struct encode_job *job,
                    struct err *e);

#endif
