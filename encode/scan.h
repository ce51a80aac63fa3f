/* SPDX-License-Identifier: MIT
 *
 * The first pass over a dump with one SAE: every token is encoded and
 * attributed once, and what the database says about all tokens is counted on
 * the way. The codes go into a temporary file for the second pass (rows.h).
 *
 * Features are divided into SCAN_PARTS fixed parts, each fed by one thread at
 * a time and in token order: results do not depend on the number of threads.
 */
#ifndef ENCODE_SCAN_H
#define ENCODE_SCAN_H

#include "encode/chunk.h"
#include "encode/examples.h"
#include "encode/head_codes.h"
#include "encode/pairs.h"
#include "encode/quantiles.h"
#include "encode/source_sample.h"
#include "encode/spill.h"
#include "encode/statistics.h"
#include "encode/token_counts.h"
#include "sae/metrics.h"

enum { SCAN_PARTS = 64 };

/* What grows with the dump is the pairs of feature and token string, and rows
 * to be sorted; each gets half of the memory. */
enum { SCAN_MEMORY_SHARES = 2 };

/* What one SAE is encoded with. */
struct scan_input {
    const struct dump *dump;
    const struct sae *sae;
    const struct sample *sample;
    const struct team *team;
    int layer;
    size_t examples, head_examples; /* lengths of lists */
    size_t interval_examples;
    bool sources;        /* whether source_sample is wanted */
    uint64_t seed;       /* of random examples */
    const char *output;  /* path beside which to spill */
    uint64_t memory;     /* bytes for what grows with the dump */
    const char *options; /* what it is encoded with, as JSON */
};

struct scan {
    struct scan_input in;
    int heads;
    uint64_t tokens;
    struct chunk chunk;
    struct metrics metrics;
    struct statistics statistics;
    struct quantiles quantiles;
    struct examples top;     /* slot: feature */
    struct examples by_head; /* slot: feature × heads + head */
    struct token_counts strings;
    struct head_codes head_codes;
    struct pairs pairs;
    struct source_sample source_sample;
    struct spill spill;
};

/* Copies the input; keeps what it points to. On failure nothing is held. */
int scan_init(struct scan *s, const struct scan_input *in, struct err *e);
void scan_free(struct scan *s);

/* Adds rows [first, first + n), n <= CHUNK_ROWS; rows come in order. */
int scan_add(struct scan *s, uint64_t first, size_t n, struct err *e);

/* Goes over the whole dump, with a progress bar; Ctrl-C ends it with
 * ERR_INTERRUPTED. */
int scan_run(struct scan *s, struct err *e);

#endif
