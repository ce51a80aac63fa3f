/* SPDX-License-Identifier: MIT
 *
 * GPT-2 of any size from a Hugging Face folder (config.json and safetensors in
 * f32, f16 or bf16, in one file or in shards) and its forward pass in f32:
 * Radford et al. 2019, "Language Models are Unsupervised Multitask Learners";
 * layer norm before each block, learned positions. What the config asks for and
 * this code does not do is refused by name.
 *
 * An open model is constant: any number of threads may run it, each with its
 * own workspace. BLAS is called single-threaded (base/team.h).
 */
#ifndef CAPTURE_GPT2_H
#define CAPTURE_GPT2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "capture/pointwise.h"
#include "dump/checksum.h"

struct gpt2_config {
    int layers, heads, d_model, d_head, d_mlp;
    int positions; /* the longest context */
    int vocab;     /* rows of the embedding: ids are below it */
    float epsilon; /* of the layer norms */
    enum activation activation;
};

/* y = x · weight + bias, as Hugging Face's Conv1D. */
struct linear {
    float *weight; /* (in, out) */
    float *bias;   /* (out) */
    int in, out;
};

struct layer_norm {
    float *weight, *bias; /* (d_model) */
};

struct gpt2_layer {
    struct layer_norm ln_1, ln_2;
    struct linear c_attn, attn_proj; /* query, key, value; output */
    struct linear c_fc, mlp_proj;
};

struct gpt2 {
    struct gpt2_config config;
    float *wte, *wpe; /* (vocab, d_model), (positions, d_model) */
    float *head;      /* (vocab, d_model); wte itself if they are tied */
    struct layer_norm ln_f;
    struct gpt2_layer *layer; /* [layers] */
    /* Over the config and all weights as f32: the same model in another file
     * format has another one if the format rounds. */
    char fingerprint[FINGERPRINT_HEX];
    bool folded; /* z is without value biases */
    struct arena arena;
};

/* Reads and checks the folder: every shape against the config and the memory
 * that they need against what there is, before anything is loaded; then every
 * weight for NaN. */
int gpt2_open(struct gpt2 *g, const char *folder, struct err *e);
void gpt2_close(struct gpt2 *g);

/* The same function with z less its value biases, as TransformerLens loads
 * models by default: a pattern's rows sum to 1, so b_V of a head adds the
 * constant b_V·W_O, which goes into the projection's bias. The fingerprint
 * stays. */
void gpt2_fold_value_biases(struct gpt2 *g);

/* Contexts that follow one another in a list of ids, without padding. Row 0 of
 * the batch is ids[starts[0]]. */
struct gpt2_batch {
    const int32_t *ids;    /* below config.vocab */
    const int64_t *starts; /* [contexts + 1], each context of 1 to
                              config.positions tokens */
    size_t contexts;
};
size_t gpt2_batch_rows(const struct gpt2_batch *b);

/* Memory of one thread for batches of up to `rows` tokens. */
struct gpt2_workspace {
    float *x;      /* (rows, d_model) the residual stream */
    float *normed; /* (rows, d_model) */
    float *z;      /* (rows, d_model) where the caller wants none */
    float *wide;   /* (rows, max(3 d_model, d_mlp)) */
    float *scores; /* (query block, positions) */
    size_t rows;
    struct arena arena;
};
size_t gpt2_workspace_bytes(const struct gpt2 *g, size_t rows);
int gpt2_workspace_open(struct gpt2_workspace *w, const struct gpt2 *g,
                        size_t rows, struct err *e);
void gpt2_workspace_close(struct gpt2_workspace *w);

/* What a pass hands out on its way, and lets change; all of it optional. The
 * functions are called in the thread of the pass, layer by layer. */
struct gpt2_tap {
    /* [layers] where layer l's z goes, (rows, heads, d_head): each head's
     * attention-weighted sum of values, value bias included, before the output
     * projection. NULL for none, as an entry or as a whole. */
    float *const *z;
    bool to_end; /* go on behind the last layer whose z is wanted, and leave the
                    residual stream after all layers in w->x */
    /* Queries, keys and values of a layer (rows, 3, heads, d_head). */
    void (*qkv)(void *ctx, int layer, const float *qkv);
    /* A layer's z, which the model goes on with as this leaves it. */
    void (*edit)(void *ctx, int layer, float *z);
    /* The residual stream (rows, d_model): stage 0 is the embedding, 2 l + 1
     * stands behind layer l's attention, 2 l + 2 behind its MLP. */
    void (*residual)(void *ctx, int stage, const float *x);
    /* Asked in front of each layer: true, and the pass ends there. */
    bool (*stop)(void *ctx);
    void *ctx;
};

void gpt2_forward(const struct gpt2 *g, struct gpt2_workspace *w,
                  const struct gpt2_batch *batch, const struct gpt2_tap *tap);

/* The same pass in pieces: the embedding, into w->x, then layers [first, end)
 * over the residual stream that w->x holds, as to_end does. */
void gpt2_embed(const struct gpt2 *g, struct gpt2_workspace *w,
                const struct gpt2_batch *batch);
void gpt2_layers(const struct gpt2 *g, struct gpt2_workspace *w,
                 const struct gpt2_batch *batch, const struct gpt2_tap *tap,
                 int first, int end);

/* The attention pattern of one head in one context of t tokens: out (t, t),
 * destination by source, 0 above the diagonal. `qkv` is the context's first row
 * of what gpt2_tap's qkv is given. */
void gpt2_pattern(const struct gpt2_config *c, float *out, const float *qkv,
                  int head, int t);
/* The same of one destination: out (destination + 1). */
void gpt2_pattern_row(const struct gpt2_config *c, float *out, const float *qkv,
                      int head, int destination);

/* Logits (n, vocab) of rows x (n, d_model) of the residual stream after all
 * layers. Overwrites w->normed; n is at most w->rows. */
void gpt2_logits(const struct gpt2 *g, struct gpt2_workspace *w, float *logits,
                 const float *x, size_t n);

#endif
