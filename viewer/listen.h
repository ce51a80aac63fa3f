/* SPDX-License-Identifier: MIT
 *
 * The socket that a server listens on, and how a browser gets there.
 */
#ifndef VIEWER_LISTEN_H
#define VIEWER_LISTEN_H

#include <stdbool.h>

#include "base/err.h"

enum { LISTEN_URL = 96 };

struct listen_place {
    int fd;
    int port;
    bool ipv6;
    bool beyond;          /* other computers reach it */
    char url[LISTEN_URL]; /* "http://127.0.0.1:8765/" */
};

/* address: of this computer, in digits; NULL: 127.0.0.1. port 0: any that is
 * free. The caller closes fd. */
int listen_open(struct listen_place *out, const char *address, int port,
                struct err *e);

#endif
