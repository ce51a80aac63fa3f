/* SPDX-License-Identifier: MIT
 *
 * What a lens and a run of lens/prompt.h are made of, for the files that answer
 * its questions. A run is constant once it is open, but for its workspace.
 */
#ifndef LENS_PROMPT_RUN_H
#define LENS_PROMPT_RUN_H

#include "capture/model.h"
#include "lens/prompt.h"
#include "lens/saes.h"

/* Rows whose logits are worked out together. */
enum { PROMPT_ROWS = 64 };

/* One thread's, for logits. */
struct prompt_room {
    struct gpt2_workspace workspace; /* of PROMPT_ROWS */
    float *logits;                   /* (PROMPT_ROWS, vocab) */
};

struct prompt_lens {
    struct model model;
    struct saes saes;
    struct team team;
    float **offsets;          /* [layers] of sae_attribute; NULL: no SAE */
    int64_t *sae_id;          /* [layers] in the database; -1: none */
    struct prompt_room *room; /* [threads] */
    struct arena arena;
};

struct prompt_run {
    struct prompt_lens *lens;
    struct token_list ids;
    size_t n, d;
    float *stage;        /* (2 layers + 1, n, d) the residual stream there */
    float **z;           /* [layers] (n, d) */
    float **qkv;         /* [layers] (n, 3 d) */
    double *surprise;    /* (n) −ln p of the token; of the first, 0 */
    struct codes *codes; /* [layers] */
    struct gpt2_workspace workspace; /* of n rows, for further passes */
    struct arena arena;
};

/* The residual stream of a token: stage as in gpt2_tap. */
const float *prompt_stage(const struct prompt_run *run, int stage,
                          size_t position);

/* Whether the caller wants an end; the error then. */
bool prompt_stops(const struct prompt_stop *stop);
int prompt_stopped(struct err *e);

/* Logits (vocab) behind one row x (d) of the last stream, in the first thread's
 * room until it is used again; those that are not finite are an error. */
int prompt_logits(const float **logits, struct prompt_run *run, const float *x,
                  struct err *e);

/* What of a forward pass other parts want to change (lens/edits.h). */
struct prompt_run_pass {
    void (*edit)(void *ctx, int layer, float *z);
    void *ctx;
    const struct prompt_stop *stop;
};
/* Runs the text again with an edit; the last stream is then in
 * run->workspace.x. */
int prompt_run_again(struct prompt_run *run, const struct prompt_run_pass *pass,
                     struct err *e);

#endif
