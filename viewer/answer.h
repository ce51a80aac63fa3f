/* SPDX-License-Identifier: MIT
 *
 * From the head of a request to a response with all of its headers: who may
 * ask (Host), what for (page or API), what the client has already (ETag) and
 * what it can read (gzip).
 */
#ifndef VIEWER_ANSWER_H
#define VIEWER_ANSWER_H

#include "viewer/access.h"
#include "viewer/api_prompt.h"
#include "viewer/assets.h"
#include "viewer/guard.h"
#include "viewer/sql.h"
#include "viewer/state.h"

struct MHD_Connection;

struct answer_site {
    struct states states;
    struct sql_site sql;
    struct prompts *prompts; /* NULL: there is no model */
    struct assets assets;
    struct guard_rules rules;
    struct access access;
};

struct answer_request {
    const char *method, *raw; /* its target, not decoded */
    const char *body;         /* of a POST */
    size_t body_size;
};

/* Whether the head alone is enough for the answer, a refusal: what follows it
 * need not be waited for. */
bool answer_is_refusal(struct MHD_Connection *connection,
                       const struct answer_site *site,
                       const struct answer_request *request);

/* Queues the response. What libmicrohttpd's callback returns. */
int answer_queue(struct MHD_Connection *connection, struct answer_site *site,
                 const struct answer_request *request);

#endif
