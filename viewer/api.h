/* SPDX-License-Identifier: MIT
 *
 * The JSON API (docs/api.md): from a target below /api/ to the text of an
 * answer. Knows nothing of sockets. Any number of threads.
 */
#ifndef VIEWER_API_H
#define VIEWER_API_H

#include <stdbool.h>
#include <stddef.h>

#include "viewer/call.h"
#include "viewer/target.h"

struct api_answer {
    int status;
    char *text; /* the caller's free. NULL: no memory even for an error */
    size_t length;
    const char *type;     /* NULL: JSON */
    const char *file;     /* a name to save it by, or NULL */
    const char *cut;      /* why there is no more of it, or NULL */
    char next[CALL_NEXT]; /* `after` of the next page, or empty */
};

/* Whether a path belongs to the API. */
bool api_owns(const char *path);

/* body: of a POST; NULL: a GET. */
void api_answer(struct api_answer *out, const struct call_site *site,
                struct target *target, const char *body, size_t body_size);

/* {"error": message} with a status. */
void api_error(struct api_answer *out, int status, const char *message);

/* The endpoints: each fills `out`, reads its parameters first and refuses
 * others. */
int api_about(json_t *out, struct call *c);
int api_features(json_t *out, struct call *c);
int api_feature(json_t *out, struct call *c);
int api_activation(json_t *out, struct call *c);
int api_heads(json_t *out, struct call *c);
int api_head(json_t *out, struct call *c);
int api_token(json_t *out, struct call *c);
int api_search(json_t *out, struct call *c);
int api_labels(json_t *out, struct call *c);
int api_label(json_t *out, struct call *c);         /* by POST */
int api_labels_import(json_t *out, struct call *c); /* by POST */
int api_context(json_t *out, struct call *c);
int api_training(json_t *out, struct call *c);
int api_compare(json_t *out, struct call *c);
int api_circuits(json_t *out, struct call *c);
int api_circuit(json_t *out, struct call *c);
int api_circuit_codes(json_t *out, struct call *c);
int api_circuit_prompts(json_t *out, struct call *c);
int api_circuit_edges(json_t *out, struct call *c);
int api_circuit_pairs(json_t *out, struct call *c);
int api_circuit_overlap(json_t *out, struct call *c);

#endif
