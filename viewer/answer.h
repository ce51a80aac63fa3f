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

struct MHD_Connection;

struct answer_site {
    struct call_site api;
    struct assets assets;
    const char *allowed_hosts; /* names with commas between them, or NULL */
};

/* Longer request lines are refused. Far above what the page asks for. */
enum { ANSWER_TARGET_MAX = 8192 };

/* Queues the response to a request with that method and raw target. What
 * libmicrohttpd's callback returns. */
int answer_queue(struct MHD_Connection *connection,
                 const struct answer_site *site, const char *method,
                 const char *raw);

#endif
