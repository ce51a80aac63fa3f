/* SPDX-License-Identifier: MIT
 *
 * Writes a database (store/schema.sql says what the tables mean): a new one, or
 * into one that is there. One thread.
 *
 * A new file is written under its partial name (base/output.h) and appears
 * under its own at commit. The dump is a transaction there and so is every SAE,
 * so that what a killed run has finished can be gone on with
 * (store_writer_resume). Call order: resume or open; unless the dump is there,
 * dump, contexts, vocab, tokens, end_dump; for every SAE begin, its rows, end;
 * commit.
 *
 * In place every SAE is a transaction, with its dump, if that is new, and with
 * what is removed for it: a program killed at any moment leaves the file as it
 * was before or after one. Call order: open_in_place, find_dump, and what
 * find_sae says; then for every SAE remove_sae or the dump as above without
 * end_dump, if need be; begin, rows, end; leave.
 *
 * Within a table rows come in the order of its key, which is what makes them
 * fast. Rows that break the schema are programming errors of the caller, and
 * fail.
 *
 * Tokens, contexts and document groups are numbered from 0 within the dump at
 * hand; the writer adds where the dump begins in the database. Text is bytes,
 * bound as data. A NaN in a real column stands for "not known" and is stored as
 * NULL. Structs and arrays are borrowed.
 */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    STORE_HISTOGRAM_BINS = 51, /* of five levels each */
    STORE_EXAMPLE_WINDOW = 32, /* tokens around a top example with levels */
    STORE_RANDOM_EXAMPLE_WINDOW = 16, /* the same, of the other kinds */
    STORE_TOKEN_FEATURES = 16,   /* kept of each order, table token_feature */
    STORE_ACTIVATION_BYTES = 31, /* both trees together, for estimates */
};

struct store_writer;

/* The columns of the tables, in their order. Text fields may be NULL where the
 * column may. */
struct store_dump {
    const char *name, *model, *model_fingerprint, *fingerprint;
    int first_layer, layers, heads, d_head;
    int d_model; /* 0: not recorded */
    const char *dtype, *bos;
    int fold_value_biases; /* -1: not recorded */
    int64_t tokens, contexts;
    bool contexts_known, has_tokens, has_strings;
    int64_t sample_limit;
    int64_t sample_seed;
    int64_t sample_contexts, sample_tokens;
};

struct store_document_group {
    int64_t id, dump;
    const char *name;
    int64_t contexts, tokens;
};

struct store_context {
    int64_t id, dump;
    int64_t document_group; /* -1: not known */
    int64_t first_token, tokens;
    bool sampled;
};

struct store_position_bin {
    int bin;
    int64_t first, last, tokens;
};

struct store_sae {
    int64_t id, dump;
    const char *name;
    int layer;
    const char *hook, *architecture;
    int64_t d_in, d_sae;
    int heads;
    const char *fingerprint, *config, *options;
    double held_out_fvu, held_out_l0, held_out_dead, train_fvu, pca_fvu;
    int64_t tokens;
    double fvu, l0, l1, mse, cosine, relative_bias;
    int64_t dead, activations, pair_tokens, source_tokens;
};

struct store_head {
    int head;
    const char *name;
    int64_t features;
    double fvu, held_out_fvu;
    int64_t codes;
    double code_entropy;
};

struct store_feature {
    int64_t feature, fires;
    double density;
    double max, mean, scale; /* NaN for a dead one, as below */
    int64_t strings;         /* -1: dead, or strings not known */
    double entropy;
    int top_head; /* -1: none */
    double top_share;
};

struct store_feature_head {
    int64_t feature;
    int head;
    double weight_share, data_share;
};

struct store_activation {
    uint32_t feature, token;
    uint8_t level;
    uint64_t heads; /* whose code it is, as bits; only by token */
};

struct store_feature_pair {
    int64_t feature;
    int rank;
    int64_t other, count;
    double expected;
};

struct store_circuit {
    const char *name, *model, *fingerprint;
    int layers, first_layer, heads;
    int64_t prompts, positives, seeds;
    const char *options;
    double auc, auc_sd, auc_edges, auc_shuffled; /* NaN: no truth */
    double auc_mean_difference, auc_probe;
    double auc_edges_sd, auc_shuffled_sd;
    double precision, precision_sd, recall, recall_sd, f1, f1_sd;
    double paper_f1, paper_f1_sd;
};

struct store_circuit_prompt {
    int64_t prompt;
    int label;
    const char *text;
    int64_t position;   /* -1: not known */
    const char *answer; /* NULL: not known */
};

struct store_circuit_head {
    int layer, head;
    const char *name;
    double score, score_edges, score_shuffled, mean_difference, probe;
    int in_circuit; /* -1: not known */
    double effect;  /* NaN: not known */
};

enum store_example_kind {
    STORE_EXAMPLE_TOP,
    STORE_EXAMPLE_WIDTH,
    STORE_EXAMPLE_COUNT,
    STORE_EXAMPLE_RANDOM,
    STORE_EXAMPLE_SILENT,
};

struct store_example_set {
    int64_t feature;
    enum store_example_kind kind;
    int interval;
    double above, up_to;
    int64_t tokens, examples;
};

struct store_example {
    int64_t feature;
    enum store_example_kind kind;
    int interval, rank;
    int64_t token;
    double value;
};

struct store_head_example {
    int64_t feature;
    int head, rank;
    int64_t token;
    double contribution;
    uint8_t level;
};

struct store_example_source {
    uint32_t feature, token;
    int head, rank;
    uint32_t source;
    double contribution;
};

struct store_source_offset {
    int64_t feature;
    int bin;
    double share;
    int64_t count;
};

struct store_source_token {
    int64_t feature;
    int rank;
    int64_t vocab;
    double share;
    int64_t count;
};

struct store_token_feature {
    int64_t vocab, feature, count;
    double max, mean;
};

/* Where rows of a bulk table come from, in the order of its key. next sets
 * *rows to the next *n of them (structs of the table's kind), which are
 * borrowed until it is called again; 0 for no more. Its failure is that of the
 * writer's function. */
struct store_source {
    int (*next)(void *ctx, const void **rows, size_t *n, struct err *e);
    void *ctx;
};

/* A source of n rows that lie in an array; ctx is this struct. */
struct store_array {
    const void *rows;
    size_t n;
};
int store_array_next(void *ctx, const void **rows, size_t *n, struct err *e);

/* Begins a new file; what a killed run has left of one is thrown away. With
 * `force` an older file of that name is replaced at commit. */
int store_writer_open(struct store_writer **out, const char *path, bool force,
                      struct err *e);

/* What tells an SAE from others in a database. */
struct store_identity {
    const char *name, *fingerprint, *options;
    int layer;
};

/* What a run is going to write, and how much of that is there. */
struct store_plan {
    const struct store_dump *dump;
    const struct store_identity *saes; /* [n] in the order of writing */
    size_t n;
    size_t done; /* the first `done` of them are there */
    bool other;  /* there is something else, or it is damaged */
};

/* Goes on with the new file that a killed run has left, if it holds the plan's
 * dump and the first of its SAEs and nothing else. *out is NULL if there is no
 * such file; nothing is changed then. */
int store_writer_resume(struct store_writer **out, struct store_plan *plan,
                        const char *path, bool force, struct err *e);

/* ---- in place ---- */

/* Opens a database of ours to change it. Others may read it meanwhile; they see
 * the state before or after a transaction, and wait while a large one is
 * written. If another program changes it before we do, our next transaction
 * fails. */
int store_writer_open_in_place(struct store_writer **out, const char *path,
                               struct err *e);

/* Makes the dump the one at hand if the database has it; else
 * store_writer_dump_id is 0. The same dump with another sample is an error. */
int store_writer_find_dump(struct store_writer *w, const struct store_dump *d,
                           struct err *e);

/* Calls `check` with every token string of the database, until it fails. */
typedef int store_string_fn(void *ctx, int64_t id, const char *bytes,
                            size_t length, struct err *e);
int store_writer_each_string(struct store_writer *w, store_string_fn *check,
                             void *ctx, struct err *e);

/* The dump's SAE of that name: its key, 0 if there is none, and what is not the
 * same about it, in words, or NULL. */
struct store_found {
    int64_t id;
    const char *differs;
};
int store_writer_find_sae(struct store_found *out, struct store_writer *w,
                          const struct store_identity *s, struct err *e);

/* Removes an SAE of the dump at hand, in the transaction of what comes next. */
int store_writer_remove_sae(struct store_writer *w, int64_t id, struct err *e);

/* Removes the SAEs of these names, with the dumps that then have none, in one
 * transaction. A name is an SAE's, or DUMP/NAME where several dumps have one of
 * that name. *freed: bytes of the file that hold nothing now. */
int store_writer_remove(struct store_writer *w, int64_t *freed,
                        char *const *names, size_t n, struct err *e);

/* ---- rows ---- */

/* The key of the dump at hand, which `dump` in the structs above means. */
int64_t store_writer_dump_id(const struct store_writer *w);
/* The key of the next SAE. */
int store_writer_next_sae(struct store_writer *w, int64_t *id, struct err *e);

int store_writer_dump(struct store_writer *w, const struct store_dump *d,
                      struct err *e);
int store_writer_document_group(struct store_writer *w,
                                const struct store_document_group *g,
                                struct err *e);
int store_writer_context(struct store_writer *w, const struct store_context *c,
                         struct err *e);
int store_writer_position_bin(struct store_writer *w, int64_t dump,
                              const struct store_position_bin *b,
                              struct err *e);
/* bytes [length] may be anything; NULL: a string that is not known, for which
 * store_writer_unknown stands. A string that is there has its count raised. */
int store_writer_vocab(struct store_writer *w, int64_t id, const char *bytes,
                       size_t length, int64_t count, struct err *e);
/* "token 123" into out[STORE_UNKNOWN_MAX]. */
enum { STORE_UNKNOWN_MAX = 40 };
void store_writer_unknown(char *out, int64_t id);
/* After the string's own row. */
int store_writer_vocab_use(struct store_writer *w, int64_t dump, int64_t vocab,
                           int64_t count, struct err *e);
/* vocab -1: not known. */
int store_writer_token(struct store_writer *w, int64_t id, int64_t context,
                       int64_t position, int64_t vocab, struct err *e);
/* A context that is a prompt, after its tokens: label 1, 0 or -1, not known;
 * token, the one whose prediction counts, as store_writer_token's id; answer,
 * the first that answers it, or -1. */
int store_writer_prompt(struct store_writer *w, int64_t context, int label,
                        int64_t token, int64_t answer, struct err *e);

/* A new file's dump is complete. */
int store_writer_end_dump(struct store_writer *w, struct err *e);

/* Begins an SAE; the rows that follow are its own. */
int store_writer_begin_sae(struct store_writer *w, const struct store_sae *s,
                           struct err *e);
int store_writer_metric(struct store_writer *w, const char *name, int64_t step,
                        double value, struct err *e);
int store_writer_head(struct store_writer *w, const struct store_head *h,
                      struct err *e);
int store_writer_feature(struct store_writer *w, const struct store_feature *f,
                         struct err *e);
int store_writer_feature_head(struct store_writer *w,
                              const struct store_feature_head *f,
                              struct err *e);
int store_writer_histogram(struct store_writer *w, int64_t feature, int bin,
                           int64_t count, struct err *e);
int store_writer_feature_position(struct store_writer *w, int64_t feature,
                                  int bin, int64_t fires, struct err *e);
int store_writer_feature_group(struct store_writer *w, int64_t feature,
                               int64_t document_group, int64_t fires,
                               struct err *e);
int store_writer_feature_neighbour(struct store_writer *w, int64_t feature,
                                   int rank, int64_t neighbour, double cosine,
                                   struct err *e);
int store_writer_feature_pair(struct store_writer *w,
                              const struct store_feature_pair *p,
                              struct err *e);
int store_writer_feature_logit(struct store_writer *w, int64_t feature,
                               int rank, int64_t vocab, double logit,
                               struct err *e);
int store_writer_feature_source_offset(struct store_writer *w,
                                       const struct store_source_offset *o,
                                       struct err *e);
int store_writer_feature_source_token(struct store_writer *w,
                                      const struct store_source_token *t,
                                      struct err *e);
int store_writer_head_code_count(struct store_writer *w, int head,
                                 int64_t feature, int64_t count, struct err *e);
int store_writer_head_group(struct store_writer *w, int head, int number,
                            int64_t feature, struct err *e);
/* A set before its examples. */
int store_writer_example_set(struct store_writer *w,
                             const struct store_example_set *x, struct err *e);
int store_writer_example(struct store_writer *w, const struct store_example *x,
                         struct err *e);

/* Rows in bulk, which their source gives when they are wanted: the tree that
 * begins with the token, that with the feature and the levels around examples
 * (struct store_activation), and so on. No other function of the writer may be
 * called from within a source. */
int store_writer_by_token(struct store_writer *w,
                          const struct store_source *rows, struct err *e);
int store_writer_by_feature(struct store_writer *w,
                            const struct store_source *rows, struct err *e);
int store_writer_around_examples(struct store_writer *w,
                                 const struct store_source *rows,
                                 struct err *e);
int store_writer_head_examples(struct store_writer *w,
                               const struct store_source *rows, struct err *e);
int store_writer_example_sources(struct store_writer *w,
                                 const struct store_source *rows,
                                 struct err *e);
int store_writer_token_features(struct store_writer *w,
                                const struct store_source *rows, struct err *e);
int store_writer_end_sae(struct store_writer *w, struct err *e);

/* ---- circuits ----
 * In a new file, or in place; nothing else goes with them. Call order: circuit,
 * which replaces one of the same name; its prompts and heads, then codes and
 * edges; end_circuit, which in place is the end of the transaction. */

int store_writer_circuit(struct store_writer *w, const struct store_circuit *c,
                         struct err *e);
int store_writer_circuit_prompt(struct store_writer *w,
                                const struct store_circuit_prompt *p,
                                struct err *e);
/* text: escaped (store/text.h) where it says so. */
int store_writer_circuit_token(struct store_writer *w, int64_t prompt,
                               int64_t position, const char *text, bool escaped,
                               struct err *e);
int store_writer_circuit_head(struct store_writer *w,
                              const struct store_circuit_head *h,
                              struct err *e);
int store_writer_circuit_code(struct store_writer *w, int layer, int head,
                              int64_t prompt, int64_t code, struct err *e);
/* heads: layer, head, and the other's layer, head. */
int store_writer_circuit_edge(struct store_writer *w, const int heads[4],
                              int64_t pairs, struct err *e);
int store_writer_end_circuit(struct store_writer *w, struct err *e);

/* Puts a new file in place and frees the writer. After a failure the caller
 * aborts or leaves. */
int store_writer_commit(struct store_writer **w, struct err *e);
/* Removes a new file. Accepts NULL. */
void store_writer_abort(struct store_writer **w);
/* Keeps the transactions that are complete: of a new file for
 * store_writer_resume, of one in place for good. Accepts NULL. */
void store_writer_leave(struct store_writer **w);

#endif
