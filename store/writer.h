/* SPDX-License-Identifier: MIT
 *
 * Writes a database (store/schema.sql says what the tables mean). It appears
 * under its name at commit, whole, or not at all; until then SQLite keeps no
 * journal and does not wait for the disk. One thread.
 *
 * Call order: open; dump, contexts, vocab, tokens; then for every SAE begin,
 * its rows, end; commit. abort at any point. Within a table rows come in the
 * order of its key, which is what makes them fast. Rows that break the schema
 * are programming errors of the caller, and fail.
 *
 * Token ids are those of the database; text is bytes, bound as data. A NaN in
 * a real column stands for "not known" and is stored as NULL. Structs and
 * arrays are borrowed.
 */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    STORE_HISTOGRAM_BINS = 51,   /* of five levels each */
    STORE_EXAMPLE_WINDOW = 32,   /* tokens around an example with levels */
    STORE_TOKEN_FEATURES = 32,   /* kept of each order, table token_feature */
    STORE_ACTIVATION_BYTES = 31, /* both trees together, for estimates */
};

struct store_writer;

/* The columns of the tables, in their order. Text fields may be NULL where the
 * column may. */
struct store_dump {
    int64_t id;
    const char *name, *model, *fingerprint;
    int first_layer, layers, heads, d_head;
    int d_model; /* 0: not recorded */
    const char *dtype, *bos;
    int fold_value_biases; /* -1: not recorded */
    int64_t tokens, contexts;
    bool contexts_known, has_tokens, has_strings;
    int64_t first_token;
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
    const char *fingerprint, *config;
    double held_out_fvu, held_out_l0, held_out_dead, train_fvu, pca_fvu;
    int64_t tokens;
    double fvu, l0, l1, mse, cosine, relative_bias;
    int64_t dead, activations, pair_tokens;
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
};

struct store_head_code {
    int head;
    uint32_t feature, token;
};

struct store_feature_pair {
    int64_t feature;
    int rank;
    int64_t other, count;
    double expected;
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
    double contribution, value;
};

struct store_token_feature {
    int64_t vocab, feature, count;
    double max, mean;
};

/* With `force` an older file of that name is replaced at commit. */
int store_writer_open(struct store_writer **out, const char *path, bool force,
                      struct err *e);

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
/* bytes [length] may be anything; NULL: a string that is not known. */
int store_writer_vocab(struct store_writer *w, int64_t id, const char *bytes,
                       size_t length, int64_t count, struct err *e);
/* After the string's own row. */
int store_writer_vocab_use(struct store_writer *w, int64_t dump, int64_t vocab,
                           int64_t count, struct err *e);
/* vocab -1: not known. */
int store_writer_token(struct store_writer *w, int64_t id, int64_t context,
                       int64_t position, int64_t vocab, struct err *e);

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
int store_writer_head_code_count(struct store_writer *w, int head,
                                 int64_t feature, int64_t count, struct err *e);
int store_writer_head_group(struct store_writer *w, int head, int number,
                            int64_t feature, struct err *e);
/* A set before its examples. */
int store_writer_example_set(struct store_writer *w,
                             const struct store_example_set *x, struct err *e);
int store_writer_example(struct store_writer *w, const struct store_example *x,
                         struct err *e);
int store_writer_head_example(struct store_writer *w,
                              const struct store_head_example *h,
                              struct err *e);
int store_writer_token_feature(struct store_writer *w,
                               const struct store_token_feature *t,
                               struct err *e);

/* n rows of the tree that begins with the token, with the feature, of the
 * levels around examples, and of head codes. */
int store_writer_by_token(struct store_writer *w,
                          const struct store_activation *rows, size_t n,
                          struct err *e);
int store_writer_by_feature(struct store_writer *w,
                            const struct store_activation *rows, size_t n,
                            struct err *e);
int store_writer_around_examples(struct store_writer *w,
                                 const struct store_activation *rows, size_t n,
                                 struct err *e);
int store_writer_head_codes(struct store_writer *w,
                            const struct store_head_code *rows, size_t n,
                            struct err *e);
int store_writer_end_sae(struct store_writer *w, struct err *e);

/* Puts the file in place. Frees the writer either way. */
int store_writer_commit(struct store_writer **w, struct err *e);
/* Removes what was written. Accepts NULL. */
void store_writer_abort(struct store_writer **w);

#endif
