/* SPDX-License-Identifier: MIT
 *
 * weights.safetensors of a dump folder: the model's weights that stand behind
 * the heads, all f32.
 *
 *     W_O.L        (heads, d_head, d_model)  output projection of layer L: head
 *                  h adds z_h·W_O[h] to the residual stream
 *     W_U          (d_model, vocab)          unembedding
 *     ln_f.weight, ln_f.bias  (d_model)      gain and bias of the last
 *                  LayerNorm, not folded into W_U
 *
 * A residual stream r ends as the logits LayerNorm(r)·W_U, where LayerNorm(r) =
 * (r − mean r) / √(variance r + ε) · gain + bias, elementwise. The last three
 * come together or not at all: dumps of older versions have W_O alone.
 */
#ifndef DUMP_WEIGHTS_H
#define DUMP_WEIGHTS_H

#include "dump/dump.h"
#include "dump/safetensors.h"

#define WEIGHTS_NAME "weights.safetensors"

/* What to write; all is borrowed. */
struct weights_source {
    const float *const *w_o; /* [info.layers] each (heads, d_head, d_model) */
    const float *w_u;        /* (vocab, d_model), a row a token, as embeddings
                                lie; NULL: without it and what is below */
    size_t vocab;
    const float *ln_gain, *ln_bias; /* (d_model) */
};

int weights_write(const char *path, const struct dump_info *info,
                  const struct weights_source *from, struct err *e);
/* The bytes of its tensors. */
uint64_t weights_bytes(const struct dump_info *info, size_t vocab);

struct unembedding {
    size_t d_model, vocab;
    float *ln_gain, *ln_bias; /* (d_model) */
    const struct tensor *w_u; /* stays in its file, which may be large */
    const char *path;
};

struct weights {
    float *w_o; /* (layers, heads, d_head, d_model); NULL: no weights */
    struct unembedding unembedding; /* w_u NULL: there is none */
    struct safetensors file;        /* open if it has W_U */
    struct arena arena;
};

/* Reads W_O and what is small; all but W_U is checked for NaN. On failure
 * nothing is held. */
int weights_open(struct weights *w, const char *path,
                 const struct dump_info *info, struct err *e);
/* Accepts a zeroed one. */
void weights_close(struct weights *w);

/* The columns of tokens [first, first + n) of W_U: out (d_model, n). A NaN or
 * infinity is an error. From any thread. */
int unembedding_read(const struct unembedding *u, float *out, size_t first,
                     size_t n, struct err *e);

#endif
