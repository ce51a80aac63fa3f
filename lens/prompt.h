/* SPDX-License-Identifier: MIT
 *
 * Any text through a model and its SAEs: what it predicts, which features are
 * active, where they come from, and what changes when heads or features do.
 * `headscope prompt` and the viewer ask the same questions here and hand out
 * the same JSON, so that their numbers are the same.
 *
 *     prompt_lens_open     model and SAEs, once
 *     prompt_run_open      one pass over a text; keeps what questions need
 *     prompt_tokens ...    questions about the run, any number
 *
 * Threads: a lens and its runs belong to one thread at a time, which a team of
 * `threads` helps; prompt_lens_about, prompt_lens_check and what takes neither
 * lens nor run may be called by any. Answers do not depend on `threads`.
 * Errors: ERR_INPUT is a wrong text or question, ERR_INTERRUPTED that
 * prompt_stop wanted an end; on failure *out is not set and nothing is held.
 */
#ifndef LENS_PROMPT_H
#define LENS_PROMPT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/* ---- model and SAEs ---- */

struct prompt_lens;

struct prompt_lens_options {
    const char *model;      /* folder */
    const char *const *sae; /* [n_saes] folders, at most one of a layer */
    size_t n_saes;
    bool fold_value_biases; /* z is without them, as the SAEs were trained */
    int threads;            /* 0: as many as the process may run on */
};

/* Seconds for a large model: weights are read and SAEs packed. Keeps none of
 * the options. */
int prompt_lens_open(struct prompt_lens **out,
                     const struct prompt_lens_options *options, struct err *e);
/* Its runs must be closed. Accepts NULL inside. */
void prompt_lens_close(struct prompt_lens **l);

/* {model, fingerprint, layers, heads, d_head, positions, vocab, saes: [{layer,
 * name, fingerprint, d_sae, id}]}; id is null until prompt_lens_match. */
int prompt_lens_about(json_t **out, const struct prompt_lens *l, struct err *e);

/* What a database says of one dump and of the SAEs that it was coded with. */
struct prompt_known_sae {
    int64_t id;
    int layer;
    const char *name, *fingerprint;
};
struct prompt_known {
    const char *file;              /* for messages */
    const char *model;             /* its name */
    const char *model_fingerprint; /* NULL: not recorded */
    const struct prompt_known_sae *sae;
    size_t n;
};

/* A database does not know where SAEs lie. Looks in `folder` for NAME.sae and
 * NAME, for each layer the first of its SAEs that is there: [*n] paths in the
 * arena. What is found need not be what was coded: that is for
 * prompt_lens_match. */
int prompt_find_saes(char ***out, size_t *n, struct arena *arena,
                     const char *folder, const struct prompt_known *known,
                     struct err *e);

/* Checks that the database was made from this model and from these SAEs, by
 * fingerprint, and keeps the SAEs' ids. Call before any run. */
int prompt_lens_match(struct prompt_lens *l, const struct prompt_known *known,
                      struct err *e);

/* ---- a text ---- */

struct prompt_text {
    const char *text; /* UTF-8 */
    size_t size;
    bool no_bos; /* the model's BOS token does not come in front */
};

/* The tokens of a text that can be run. An empty text, bytes that are no UTF-8,
 * control characters other than tab, newline and carriage return, and more
 * tokens than the model has positions are errors, each by name. Linear in the
 * size, so check that first where anyone may ask. */
int prompt_lens_check(size_t *tokens, const struct prompt_lens *l,
                      const struct prompt_text *text, struct err *e);

/* Asked between layers and pieces of work, by any thread of the team: true, and
 * the call ends. A NULL function never wants to. */
struct prompt_stop {
    bool (*wanted)(void *ctx);
    void *ctx;
};

struct prompt_run;

/* One forward pass, and all features of all layers that have an SAE. Memory: 4
 * bytes × tokens × layers × 6 d_model. Keeps the lens. */
int prompt_run_open(struct prompt_run **out, struct prompt_lens *l,
                    const struct prompt_text *text,
                    const struct prompt_stop *stop, struct err *e);
/* Accepts NULL inside. */
void prompt_run_close(struct prompt_run **run);
size_t prompt_run_bytes(const struct prompt_run *run);

/* ---- questions ---- */

/* What is asked, as a person writes it; each question says what it reads.
 * Positions count tokens from 0, BOS included, or from the end, -1 the last. */
struct prompt_question {
    int64_t position;
    size_t top;               /* the longest list */
    const char *token;        /* text of one token, or "id:123"; NULL: the most
                                 likely next one */
    const char *minus;        /* likewise; NULL: none */
    const char *feature;      /* "L2F130@5" */
    const char *path;         /* "L2H3@4 L1H0@2", steps of prompt_trace */
    const char *edits;        /* "L2H3+L2F7@-1x0.5+L1H0=other" */
    struct prompt_run *other; /* of the same lens */
    struct prompt_stop stop;
};

/* In all answers a token is {id, text} with "escaped": true where the text is
 * not exact (bytes that are no text are shown as \xE2); lists whose order is
 * not told begin with the largest absolute value. Reals are as computed, in
 * double where sums are concerned. */

/* Reads nothing. {tokens: [{id, text, surprise}], layers, saes: [layer...]};
 * surprise is −ln p of the token in nats, null for the first. */
int prompt_tokens(json_t **out, struct prompt_run *run,
                  const struct prompt_question *q, struct err *e);

/* Reads position, top. {position, next: [{id, text, probability, logit}],
 * entropy} */
int prompt_next(json_t **out, struct prompt_run *run,
                const struct prompt_question *q, struct err *e);

/* Reads top: the most features of a token and layer. {heads, active, features:
 * [{layer, feature, position, activation, head, share, source, shares}]} by
 * position, then layer, then the largest activation first. `active` counts all
 * of them. head is the one with the largest DFA and share its part of Σ
 * max(DFA, 0), shares (heads) of every one; source is the position with the
 * largest DFA over all heads. */
int prompt_features(json_t **out, struct prompt_run *run,
                    const struct prompt_question *q, struct err *e);

/* Reads feature. Its DFA by head and source, active or not. {layer, feature,
 * position, activation, pre, constant, sum, heads: [Σ over sources], dfa:
 * [[by source, 0 to position] by head]}: sum, of all terms, plus constant, the
 * encoder bias and b_dec's part, is pre, the pre-activation, but for rounding.
 * (lens/sources.h) */
int prompt_sources(json_t **out, struct prompt_run *run,
                   const struct prompt_question *q, struct err *e);

/* Reads feature, path, top. Recursive DFA: with patterns and LayerNorm scales
 * as they are, what a head takes from a source is a sum over what wrote the
 * residual stream there (Kissane et al. 2024, section 4). The path's first step
 * is a head of the feature's layer and a source: "L2H3@4"; every further one
 * goes on from there through a head of a layer below. NULL: one step, the
 * largest term. {layer, feature, position, activation, path: [{layer, head,
 * source, term}], term, sum, parts, features}: parts add up to `sum`, the last
 * step's term but for rounding. parts: [{part, value, layer, head, source,
 * source_value}] of which layer and head where they apply; source is where that
 * head takes most of its part from, and its next step. features, of layers with
 * an SAE, divide its heads a second time: [{part, value, layer, feature}] with
 * b_dec and the SAE's error, `top` of each of both lists, with `parts_total`
 * and `features_total`. */
int prompt_trace(json_t **out, struct prompt_run *run,
                 const struct prompt_question *q, struct err *e);

/* Reads position, token, minus, top. Direct logit attribution (Elhage et al.
 * 2021): the logit, or how far it is above that of minus, by part. {position,
 * token, minus, logit, sum, parts, features} as in prompt_trace. */
int prompt_logit(json_t **out, struct prompt_run *run,
                 const struct prompt_question *q, struct err *e);

/* Reads position, top, edits, token, minus, other. A second pass with edits
 * made together: heads (L2H3), features (L2F7) or layers (L2), at one position
 * (@5) or all, to zero, times a factor (x0.5), or as they are in the other run
 * at the same position (=other), which must have as many tokens. {edits:
 * [{what, how, factor}], position, kl, next: [{id, text, before, after}],
 * token, minus, logit: {before, after}}; next has `top` of either distribution,
 * kl is that of the edited one to the one before, in nats. (lens/edits.h) */
int prompt_edit(json_t **out, struct prompt_run *run,
                const struct prompt_question *q, struct err *e);

/* Reads position, top, other: a second text beside this one. Tokens are aligned
 * from the front as far as they are the same, and from the end; all of them if
 * both have as many. {position, other_position (null: not aligned, and then kl
 * is null and next empty), kl, next: [{id, text, before, after}], tokens: [{
 * position, other, same, distance: [by layer]}] of the aligned ones, heads:
 * [{layer, head, distance, position, other}] of all tokens, features: [{layer,
 * feature, position, other, before, after}]}. before is this run, after the
 * other. distance is ‖z − z'‖ / max(‖z‖, ‖z'‖), of a layer or head. */
int prompt_compare(json_t **out, struct prompt_run *run,
                   const struct prompt_question *q, struct err *e);

/* ---- an experiment ---- */

/* 0: the default. */
struct prompt_induction {
    uint64_t seed;
    size_t count;   /* sequences for each length; 100 */
    size_t tokens;  /* random tokens of a sequence; 128 */
    size_t longest; /* prefix; 9 */
};

/* Long-prefix and short-prefix induction (Kissane et al. 2024, section 4.3) of
 * every head, lens/induction.h. {seed, count, tokens, heads: [{layer, head,
 * attention: [by length 1, 2, ...], attention_se, logit, logit_se, half}]}, the
 * largest attention at the longest prefix first; half is the shortest prefix at
 * which attention has half of its largest value. A forward pass over count ×
 * longest × (tokens + 1) tokens. */
int prompt_induction(json_t **out, struct prompt_lens *l,
                     const struct prompt_induction *options,
                     const struct prompt_stop *stop, struct err *e);
/* The same heads in real text, lens/induction_text.h: `files` is a file, or
 * several with commas between, of plain text or JSON Lines, of which `tokens`
 * are run in contexts of options->tokens; options->count is the most pairs of a
 * head. {pairs, contexts, heads: [{layer, head, pairs, attention, replaced}]}
 * of heads with pairs, the largest fall first; an example's ids end with the
 * destination, and token took the place of ids[source - 2]. */
int prompt_induction_text(json_t **out, struct prompt_lens *l,
                          const char *files, uint64_t tokens,
                          const struct prompt_induction *options,
                          const struct prompt_stop *stop, struct err *e);
/* Its sequences, [{ids, answer_tokens: [x], prefix: length, source: the
 * position of x}], as prompts of a task (docs/formats.md). */
int prompt_induction_sequences(json_t **out, const struct prompt_lens *l,
                               const struct prompt_induction *options,
                               struct err *e);

#endif
