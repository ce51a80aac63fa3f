/* SPDX-License-Identifier: MIT
 *
 * Reading activations: a dump folder (docs/formats.md: manifest.json,
 * tokens.npy, contexts.npy, vocab.json, layerLL-SSSSS.safetensors) or bare .npy
 * and .safetensors arrays in a named layout. Both become the same thing: for
 * every layer a matrix (tokens, heads × d_head), head-major within a row, plus
 * tokens, contexts, their groups and vocabulary where they are known.
 *
 * An open dump is constant: any number of threads may read it.
 */
#ifndef DUMP_DUMP_H
#define DUMP_DUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/options.h"
#include "dump/tensor.h"
#include "dump/vocab.h"

/* Far above any model known; a number beyond is a mistake in the input. */
enum {
    DUMP_LAYERS_MAX = 1024,
    DUMP_HEADS_MAX = 65536,
    DUMP_WIDTH_MAX = 1 << 20, /* heads × d_head */
    DUMP_GROUPS_MAX = 1024,   /* what is counted takes features × groups */
};

/* Shapes that a bare array can have; nothing is guessed. */
enum dump_layout {
    LAYOUT_NONE, /* a dump folder */
    LAYOUT_TOKENS_D,
    LAYOUT_TOKENS_HEADS_DHEAD,
    LAYOUT_CONTEXTS_POSITIONS_HEADS_DHEAD,
    LAYOUT_TOKENS_LAYERS_HEADS_DHEAD,
};

/* How the user names the input: options shared by train, encode and info. */
struct dump_options {
    int layout;              /* enum dump_layout */
    int64_t heads;           /* tokens,d only: 0 means one head */
    int64_t first_layer;     /* number of the (first) layer in a bare array */
    const char *tensor;      /* name inside a .safetensors with several */
    const char *token_ids;   /* .npy, 1-D, or 2-D (contexts, positions) */
    const char *tokenizer;   /* folder with vocab.json */
    const char *vocab;       /* vocab.json */
    const char *model;       /* recorded in place of a manifest's */
    const char *groups;      /* .npy: the group of each context, or -1 */
    const char *group_names; /* with commas between, or NULL */
};
enum { DUMP_OPTION_COUNT = 10 }; /* a constant, for static option groups */
extern const struct option dump_option_table[DUMP_OPTION_COUNT];

/* What is known about a dump; strings live as long as the dump. */
struct dump_info {
    const char *path;        /* as given; the first file of several */
    const char *model;       /* "unknown" if nobody said */
    const char *fingerprint; /* 32 hex digits: over the manifest with its
                                checksums (a folder) or shape, data, tokens
                                and contexts (arrays), and the groups of the
                                options; not over paths */
    int first_layer;         /* number of the first layer: usually 0 */
    int layers, heads, d_head;
    int d_model;       /* 0 if unknown */
    uint64_t tokens;   /* rows of every layer */
    uint64_t contexts; /* 0 if unknown */
    enum dtype dtype;
    const char *model_fingerprint; /* of its weights; NULL if unknown */
    const char *bos;       /* "always", "never", "unknown": each context begins
                              with the BOS token */
    int fold_value_biases; /* 1 yes, 0 no (raw Hugging Face z), -1 unknown */
};

/* Kinds of documents: which contexts come from the same source, or have the
 * same label. */
struct dump_groups {
    size_t n;
    char **names;              /* [n], all different */
    const int32_t *of_context; /* [contexts] below n, or -1: in none */
};

/* What is known of contexts that are prompts of a task. */
struct dump_prompts {
    const int8_t *label;     /* [contexts] 1 positive, 0 negative, -1: none */
    const int32_t *position; /* [contexts] the token whose prediction counts,
                                from 0 */
    const int32_t *answer;   /* [contexts] the first of the tokens that answer
                                it, -1: none */
};

struct dump;
struct unembedding;

/* Opens paths[0..n_paths): one folder with a manifest, or array files that are
 * joined along tokens in the order given. Checks everything except the values:
 * manifest against shards (sizes, shapes, types), tokens against vocabulary,
 * contexts ascending and complete. Bare arrays are read through once, for the
 * fingerprint. Copies what it needs of `paths` and `options`. */
int dump_open(struct dump **out, const char *const *paths, size_t n_paths,
              const struct dump_options *options, struct err *e);
void dump_close(struct dump **d);

const struct dump_info *dump_info(const struct dump *d);
/* Token ids [tokens], or NULL. */
const int32_t *dump_tokens(const struct dump *d);
/* Offsets [contexts + 1] into the rows, or NULL. */
const int64_t *dump_contexts(const struct dump *d);
/* NULL if unknown. */
const struct vocab *dump_vocab(const struct dump *d);
/* NULL if unknown; else the contexts are known. */
const struct dump_groups *dump_groups(const struct dump *d);

/* NULL unless they are prompts. */
const struct dump_prompts *dump_prompts(const struct dump *d);

/* The output projection of a layer, (heads, d_head, d_model), or NULL if the
 * dump has none. */
const float *dump_w_o(const struct dump *d, int layer);
/* What turns the residual stream into logits (dump/weights.h), or NULL. */
const struct unembedding *dump_unembedding(const struct dump *d);

/* Rows [first, first + n) of layer `layer` (the number in hook names, from
 * info.first_layer on) as float (n, heads × d_head). A NaN or infinity is an
 * error that names file and row. */
int dump_read(const struct dump *d, int layer, uint64_t first, size_t n,
              float *out, struct err *e);

/* The same rows, not converted and not checked: n × heads × d_head elements
 * of info.dtype. */
void dump_read_raw(const struct dump *d, int layer, uint64_t first, size_t n,
                   void *out);
/* Converts numbers [first, first + n) of one raw row that dump_read_raw gave
 * for row number `row`, which serves the error message of a NaN. */
int dump_convert_part(const struct dump *d, int layer, const void *raw,
                      uint64_t row, size_t first, size_t n, float *out,
                      struct err *e);

/* Reads all files and compares their checksums with the manifest. Bare arrays
 * have none: 0. */
int dump_verify(const struct dump *d, struct err *e);
/* The same for the shards of one layer and the weights: whoever reads the
 * layer's rows to make something of them asks for this first. If a shard that
 * differs holds a NaN or an infinity, the error names its row. */
int dump_verify_layer(const struct dump *d, int layer, struct err *e);

#endif
