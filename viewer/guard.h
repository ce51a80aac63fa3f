/* SPDX-License-Identifier: MIT
 *
 * Who may ask what, told from the head of a request: the Host (viewer/host.h),
 * the method, and where a browser says that the request comes from. A page from
 * elsewhere can send requests here but is told apart by what its browser adds;
 * programs that are no browsers add nothing.
 */
#ifndef VIEWER_GUARD_H
#define VIEWER_GUARD_H

#include <stdbool.h>
#include <stddef.h>

struct MHD_Connection;

struct guard_rules {
    const char *allowed_hosts; /* names with commas between them, or NULL */
    bool addresses;            /* any address in digits is one of ours */
};

struct guard_refusal {
    int status;
    const char *message;
    const char *allow; /* with 405 */
};

enum {
    GUARD_TARGET_MAX = 8192,    /* longer request lines are refused */
    GUARD_BODY_MAX = 64 * 1024, /* so are larger bodies of a POST, */
    GUARD_TABLE_MAX = 4 << 20,  /* and of one that brings a table */
};

/* The most bytes that a body may have which is posted to that target. */
size_t guard_body_max(const char *raw);

/* Whether a request with that method and raw target is refused, and how. */
bool guard_refuses(struct guard_refusal *out, struct MHD_Connection *connection,
                   const struct guard_rules *rules, const char *method,
                   const char *raw);

/* Whether a page of another site sent it, as its browser says. */
bool guard_is_foreign(struct MHD_Connection *connection);

#endif
