/* SPDX-License-Identifier: MIT */
#include "encode/encode.h"

#include <math.h>

#include "base/clock.h"
#include "dump/weights.h"
#include "encode/example_sets.h"
#include "encode/job.h"
#include "encode/logits.h"
#include "encode/neighbours.h"
#include "encode/sources.h"
#include "store/writer.h"

/* Measured on one core of a server of 2023: rows of one tree a second. */
static const double tree_rows_per_second = 5e6;
/* The same for products in fp32: operations. */
static const double flop_per_second = 1.4e11;

/* What a token takes, with its place in the index. */
enum { TOKEN_BYTES = 28 };
/* Rows of example, with what stands around it, of example_set, head_example and
 * token_feature with their indices. */
enum {
    EXAMPLE_BYTES = 65,
    EXAMPLE_SET_BYTES = 45,
    HEAD_EXAMPLE_BYTES = 30,
    TOKEN_FEATURE_BYTES = 45
};
/* Rows of example_source, and how many a place has, on the demo; and of the
 * tables of sources by feature. */
enum { SOURCE_BYTES = 28, SOURCES_OF_PLACE = 2, SOURCES_OF_FEATURE = 24 };
/* A place with its sources in memory. */
enum { SOURCE_PLACE_BYTES = 24 + SOURCES_OF_PLACE * 20 };
/* Rows of feature_neighbour, feature_pair and feature_logit. */
enum { NEIGHBOUR_BYTES = 20, PAIR_BYTES = 28, LOGIT_BYTES = 26 };

/* How often a pair of feature and token string recurs, on text like the demo's,
 * and what it takes in a half-full table. */
enum { ACTIVATIONS_A_COUNT = 4, COUNT_BYTES = 64 };
/* An activation of the sample while it is sorted, and while it waits for that
 * in a file. */
enum { SORTED_BYTES = 5, WAITING_BYTES = 12 };

/* Encodes and counts a chunk as the run would, in `seconds`. */
static int measure(double *seconds, double *l0, struct scan *s, struct err *e)
{
    size_t n = s->tokens < CHUNK_ROWS ? (size_t)s->tokens : CHUNK_ROWS;
    double begin = clock_seconds();
    TRY(scan_add(s, 0, n, e));
    *seconds = (clock_seconds() - begin) / (double)n;
    *l0 = metrics_l0(&s->metrics);
    return 0;
}

/* Tokens whose logits are worked out. */
static double logit_tokens(const struct scan *s)
{
    const struct dump *dump = s->in.dump;
    return logits_possible(dump) ? (double)dump_unembedding(dump)->vocab : 0;
}

/* Neighbours and logits of features, if none is dead: one thread's work, while
 * another writes, if there is one. */
static double relation_seconds(const struct scan *s)
{
    double m = (double)s->in.sae->m, d = (double)s->in.sae->d;
    return m * d * (m + 2 * logit_tokens(s)) / flop_per_second;
}

/* Tokens at which an SAE's sources are sought, if no feature is dead and no two
 * examples are at one token. */
static double source_places(const struct scan *s,
                            const struct encode_options *options)
{
    double m = (double)s->in.sae->m, heads = s->heads;
    double of_feature =
        (double)options->examples +
        (EXAMPLE_SLOTS - 1) * (double)options->interval_examples +
        heads * (double)options->head_examples;
    return s->in.sources ? fmin(m * of_feature, (double)s->tokens * m) : 0;
}

/* The model reads every context up to the SAE's layer. */
static double source_seconds(const struct scan *s,
                             const struct encode_sources *sources)
{
    if (sources == NULL)
        return 0;
    return (double)s->tokens * sources->flop(sources->ctx, s->in.layer) /
           (flop_per_second * s->in.team->threads);
}

static double disk_bytes(const struct scan *s,
                         const struct encode_options *options, double l0)
{
    double m = (double)s->in.sae->m, heads = s->heads;
    double sampled = (double)s->in.sample->tokens;
    return sampled * l0 * STORE_ACTIVATION_BYTES +
           m * NEIGHBOURS * NEIGHBOUR_BYTES + m * PAIRS * PAIR_BYTES +
           (logit_tokens(s) > 0 ? m * 2 * LOGITS * LOGIT_BYTES : 0) +
           m * (double)options->examples * EXAMPLE_BYTES +
           m * EXAMPLE_SLOTS *
               ((double)options->interval_examples * EXAMPLE_BYTES +
                EXAMPLE_SET_BYTES) +
           m * heads * (double)options->head_examples * HEAD_EXAMPLE_BYTES +
           m * 2 * STORE_TOKEN_FEATURES * TOKEN_FEATURE_BYTES +
           source_places(s, options) * SOURCES_OF_PLACE * SOURCE_BYTES +
           (s->in.sources ? m * SOURCES_OF_FEATURE * SOURCE_BYTES : 0);
}

/* What is allocated already, what grows, which is the sample in feature order
 * and the pairs of feature and string, and decoder rows for their cosines. */
static double memory_bytes(const struct scan *s, double l0)
{
    double held =
        (double)(s->in.sae->arena.bytes + s->chunk.arena.bytes +
                 s->top.arena.bytes + s->top.best.arena.bytes +
                 s->by_head.arena.bytes + s->by_head.best.arena.bytes +
                 s->statistics.arena.bytes + s->quantiles.arena.bytes +
                 s->head_codes.arena.bytes);
    double sampled = (double)s->in.sample->tokens;
    double pairs = (double)s->tokens * l0 / ACTIVATIONS_A_COUNT;
    double share = (double)s->in.memory / SCAN_MEMORY_SHARES;
    double rows = (double)(s->in.sae->m * s->in.sae->d * sizeof(float));
    return held + rows + fmin(sampled * l0 * SORTED_BYTES, share) +
           fmin(pairs * COUNT_BYTES, share);
}

/* Codes of all tokens, head codes of the sample, and what does not fit into
 * memory. */
static double spill_bytes(const struct scan *s, double l0)
{
    double sampled = (double)s->in.sample->tokens;
    double share = (double)s->in.memory / SCAN_MEMORY_SHARES;
    double waiting = fmax(sampled * l0 - share / SORTED_BYTES, 0);
    double pairs = (double)s->tokens * l0 / ACTIVATIONS_A_COUNT;
    return (double)s->tokens * (4 + 8 * l0) + sampled * 4 * s->heads +
           waiting * WAITING_BYTES + fmax(pairs * COUNT_BYTES - share, 0) / 2;
}

/* Adds one SAE. Memory and the temporary file are those of the largest. */
static void add(struct encode_estimate *out, const struct scan *s,
                const struct encode_job *job, double seconds_a_token, double l0)
{
    const struct encode_options *options = job->options;
    const struct encode_sources *sources = job->sources;
    double activations = (double)s->in.sample->tokens * l0;
    double spill = spill_bytes(s, l0);
    double memory =
        memory_bytes(s, l0) + source_places(s, options) * SOURCE_PLACE_BYTES;
    out->activations += activations;
    double write = 2 * activations / tree_rows_per_second;
    double relate = relation_seconds(s);
    out->seconds +=
        (double)s->tokens * seconds_a_token +
        (s->in.team->threads > 1 ? fmax(write, relate) : write + relate) +
        source_seconds(s, sources);
    out->disk_bytes += disk_bytes(s, options, l0);
    if (spill > out->spill_bytes)
        out->spill_bytes = spill;
    if (memory > out->memory_bytes)
        out->memory_bytes = memory;
}

static int estimate_one(struct encode_estimate *out,
                        const struct encode_job *job, size_t i,
                        const struct job_identity *identity,
                        const struct sample *sample, struct err *e)
{
    struct job_scan s;
    double seconds = 0, l0 = 0;
    TRY(job_begin_scan(&s, job, i, identity, sample, e));
    int code = measure(&seconds, &l0, &s.scan, e);
    if (code == 0)
        add(out, &s.scan, job, seconds, l0);
    job_end_scan(&s);
    return code;
}

static int estimate_saes(struct encode_estimate *out,
                         const struct encode_job *job,
                         const struct job_identity *identity, struct err *e)
{
    struct sample sample;
    TRY(sample_draw(&sample, job->dump, (uint64_t)job->options->rows,
                    (uint64_t)job->seed, e));
    int code = 0;
    for (size_t i = 0; code == 0 && i < job->n_saes; i++)
        code = estimate_one(out, job, i, identity, &sample, e);
    sample_free(&sample);
    return code;
}

int encode_estimate(struct encode_estimate *out, const struct encode_job *job,
                    struct err *e)
{
    struct job_identity identity;
    *out = (struct encode_estimate){0};
    TRY(job_check(&identity, job, e));
    out->disk_bytes = (double)dump_info(job->dump)->tokens * TOKEN_BYTES;
    int code = estimate_saes(out, job, &identity, e);
    job_identity_free(&identity);
    return code;
}
