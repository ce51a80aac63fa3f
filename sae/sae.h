/* SPDX-License-Identifier: MIT
 *
 * The autoencoder. Shapes: n rows in a batch, d input width (heads × d_head,
 * head-major), m features, k active features of a row.
 *
 *     h = (x − b_dec)·W_enc + b_enc      pre-activations; without "− b_dec" if
 *                                        apply_b_dec_to_input is false
 *     f = rule(h)                        activations, sparse
 *     x̂ = f·W_dec + b_dec
 *
 * Rules: standard max(h, 0); topk the k largest h of a row, if positive;
 * jumprelu h where h > threshold and h > 0. BatchTopK exists in training only:
 * its SAE is written as jumprelu.
 *
 * A gated SAE (Rajamanoharan et al. 2024) has u = (x − b_dec)·W and is active
 * where u + b_gate > 0, with max(e^r·u + b_mag, 0). As both are increasing in
 * u, that is a jumprelu of W_enc = e^r·W, b_enc = b_mag and
 * threshold = b_mag − e^r·b_gate, which is what is kept of it here: h is the
 * magnitude's pre-activation, and its DFA goes through e^r·W.
 *
 * Both matrices are kept feature-major, (m, d), so that one feature is two
 * contiguous rows.
 */
#ifndef SAE_SAE_H
#define SAE_SAE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "sae/forward.h"

/* As in cfg.json. */
enum sae_architecture { SAE_STANDARD, SAE_TOPK, SAE_JUMPRELU, SAE_GATED };

const char *sae_architecture_name(enum sae_architecture a);

struct sae {
    enum sae_architecture architecture;
    size_t d, m;
    size_t k;                  /* topk only, else 0 */
    bool apply_b_dec_to_input; /* h uses x − b_dec */
    char *name;                /* base name of the folder, without ".sae" */
    char *model;               /* "unknown" if not recorded */
    char *hook;                /* "blocks.3.attn.hook_z", or "" */
    int layer;                 /* from the hook name; -1 unknown */
    int head;                  /* the one that it takes alone; -1 all */
    int heads;                 /* from headscope.json; 0 unknown */
    float *w_enc;              /* (m, d), feature-major */
    float *w_dec;              /* (m, d) */
    float *b_enc;              /* (m) */
    float *b_dec;              /* (d) */
    float *threshold;          /* (m), jumprelu and gated, else NULL */
    char *fingerprint;         /* 32 hex digits over the tensors */
    char *headscope;           /* headscope.json as text, or NULL if foreign */
    struct arena arena;        /* owns all of the above */
};

/* Reads an SAE in any of the formats of sae/formats.h, in f32, f16 or bf16, and
 * headscope.json if it lies in its folder. What we cannot honour is refused by
 * name (architectures, normalisations, tensors that the architecture does not
 * have, widths that disagree, values that are not finite). */
int sae_load(struct sae *s, const char *path, struct err *e);
void sae_free(struct sae *s);

/* Writes cfg.json, sae_weights.safetensors (f32) and headscope.json (`extra`,
 * borrowed; NULL: none) into an existing folder, cfg.json last. Not atomic: the
 * caller holds the output. */
int sae_write(const struct sae *s, const char *folder, const json_t *extra,
              struct err *e);

/* The training curve that `headscope train` left in a folder: calls
 * row(ctx, object) for each line of metrics.jsonl; no file, no calls. */
int sae_read_metrics(const char *folder,
                     int (*row)(void *ctx, const json_t *line, struct err *e),
                     void *ctx, struct err *e);

/* An SAE ready to encode: its weights packed for the encoder product. Keeps the
 * SAE and the team; one batch at a time. */
struct sae_encoder {
    const struct sae *s;
    struct encoder encoder;
    struct forward forward;
    bool shares;        /* the weights belong to another */
    struct guess guess; /* of the SAE's own rule */
    float *centred;     /* (capacity, d) x − b_dec */
    size_t capacity;
};
int sae_encoder_open(struct sae_encoder *enc, const struct sae *s,
                     const struct team *team, struct err *e);
/* Another one over the same weights, which must outlive it: encoders of one SAE
 * in several threads, each with a team of one. */
int sae_encoder_share(struct sae_encoder *enc, const struct sae_encoder *of,
                      const struct team *team, struct err *e);
void sae_encoder_close(struct sae_encoder *enc);

/* Encodes x (n, d) into *out, by the SAE's rule or by another. The result does
 * not depend on the number of threads. Cost: one dense product of n·d·m and n·d
 * floats of scratch; take some thousand rows a call. */
int sae_encode(struct sae_encoder *enc, const float *x, size_t n,
               struct codes *out, struct err *e);
int sae_encode_by(struct sae_encoder *enc, const struct selection *rule,
                  const float *x, size_t n, struct codes *out, struct err *e);

/* Reconstruction of one row from its codes: out (d). */
void sae_decode_row(const struct sae *s, const struct codes *c, size_t row,
                    float *out);

/* dfa[h] = (z_h − b_dec,h)·W_enc[h, feature] for every head; Σ_h dfa + b_enc
 * is the pre-activation, of a gated SAE that of the magnitude. x is one row
 * (d); `heads` must divide d. Without apply_b_dec_to_input b_dec is not
 * subtracted. offsets (m, heads) is what sae_attribute_offsets gives, b_dec's
 * part, which is the same for all rows. */
void sae_attribute(const struct sae *s, const float *offsets, const float *x,
                   uint32_t feature, int heads, float *dfa);
void sae_attribute_offsets(const struct sae *s, int heads, float *offsets);

#endif
