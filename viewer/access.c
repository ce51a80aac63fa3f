/* SPDX-License-Identifier: MIT */
#include "viewer/access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <microhttpd.h>

int access_make(struct access *a, int port, struct err *e)
{
    unsigned char bytes[(ACCESS_TOKEN - 1) / 2];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return err_errno(e, "cannot get random numbers");
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)snprintf(a->token + 2 * i, 3, "%02x", bytes[i]);
    (void)snprintf(a->cookie, sizeof a->cookie, "headscope_%d", port);
    return 0;
}

bool access_is(const struct access *a, const char *text)
{
    unsigned char different = 0;
    if (text == NULL || strlen(text) != ACCESS_TOKEN - 1)
        return false;
    for (size_t i = 0; i < ACCESS_TOKEN - 1; i++)
        different |= (unsigned char)(a->token[i] ^ text[i]);
    return different == 0;
}

bool access_has_cookie(const struct access *a,
                       struct MHD_Connection *connection)
{
    return access_is(
        a, MHD_lookup_connection_value(connection, MHD_COOKIE_KIND, a->cookie));
}

void access_cookie(char out[ACCESS_COOKIE], const struct access *a)
{
    (void)snprintf(out, ACCESS_COOKIE, "%s=%s; Path=/; HttpOnly; SameSite=Lax",
                   a->cookie, a->token);
}

char *access_without(const char *raw)
{
    static const char name[] = "access=";
    char *out = strdup(raw);
    char *at = out == NULL ? NULL : strchr(out, '?');
    while (at != NULL && strncmp(at + 1, name, sizeof name - 1) != 0)
        at = strchr(at + 1, '&');
    if (at == NULL) {
        free(out);
        return strdup("/");
    }
    char *next = strchr(at + 1, '&');
    if (next != NULL)
        memmove(at + 1, next + 1, strlen(next + 1) + 1);
    else
        *at = '\0';
    return out;
}
