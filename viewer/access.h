/* SPDX-License-Identifier: MIT
 *
 * The token that opens a server to who has its address, where other computers
 * or other users of this one can reach it. It comes once in the address, as
 * access=TOKEN, and is kept by the browser as a cookie.
 */
#ifndef VIEWER_ACCESS_H
#define VIEWER_ACCESS_H

#include <stdbool.h>

#include "base/err.h"

struct MHD_Connection;

enum {
    ACCESS_TOKEN = 33,   /* 128 bits in hexadecimal, with a zero */
    ACCESS_COOKIE = 128, /* a Set-Cookie header */
};

struct access {
    char token[ACCESS_TOKEN]; /* empty: everybody may */
    char cookie[32];          /* its name: cookies do not tell ports apart */
};

/* A new token, from the system's random numbers. */
int access_make(struct access *a, int port, struct err *e);

/* Whether a text is the token; takes as long wherever it differs. */
bool access_is(const struct access *a, const char *text);

/* Whether the request brings the cookie. */
bool access_has_cookie(const struct access *a,
                       struct MHD_Connection *connection);

/* The header that makes a browser keep it. */
void access_cookie(char out[ACCESS_COOKIE], const struct access *a);

/* A target without the parameter that is the token; "/" where it is spelled in
 * another way. The caller's free; NULL without memory. */
char *access_without(const char *raw);

#endif
