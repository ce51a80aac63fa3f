/* SPDX-License-Identifier: MIT
 *
 * From the head of a request to a response with all of its headers: who may
 * ask (Host), what for (page or API), what the client has already (ETag) and
 * what it can read (gzip).
 */
#ifndef VIEWER_ANSWER_H
#define VIEWER_ANSWER_H

#include "viewer/assets.h"
#include "viewer/call.h"
#include "viewer/guard.h"
#include "viewer/sql.h"

struct MHD_Connection;

struct answer_site {
    struct call_site api;
    struct sql_site sql;
    struct assets assets;
    struct guard_rules rules;
};

/* Queues the response to a request with that method and raw target. What
 * libmicrohttpd's callback returns. */
int answer_queue(struct MHD_Connection *connection, struct answer_site *site,
                 const char *method, const char *raw);

#endif
