/* SPDX-License-Identifier: MIT */
#include "viewer/host.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* The length of the name in "name" or "name:digits"; 0 if it is neither. */
static size_t name_length(const char *host)
{
    size_t length =
        host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    if (length > strlen(host))
        return 0;
    const char *port = host + length;
    if (*port == '\0')
        return length;
    if (*port != ':' || strlen(port) > sizeof ":65535" - 1 ||
        strspn(port + 1, "0123456789") != strlen(port + 1))
        return 0;
    return length;
}

static bool equal(const char *name, size_t length, const char *other,
                  size_t other_length)
{
    return length == other_length && strncasecmp(name, other, length) == 0;
}

bool host_is_ours(const char *host, const char *allowed)
{
    static const char ours[] = "localhost,127.0.0.1,[::1]";
    size_t length = name_length(host);
    if (length == 0)
        return false;
    const char *lists[] = {ours, allowed};
    for (size_t l = 0; l < 2; l++) {
        const char *name = lists[l];
        while (name != NULL) {
            size_t width = strcspn(name, ",");
            if (equal(host, length, name, width))
                return true;
            name = name[width] == '\0' ? NULL : name + width + 1;
        }
    }
    return false;
}

bool host_is_address(const char *host)
{
    char name[INET6_ADDRSTRLEN] = "";
    struct in6_addr address;
    size_t length = name_length(host);
    bool brackets = host[0] == '[' && length > 2;
    if (brackets) {
        host++;
        length -= 2;
    }
    if (length == 0 || length >= sizeof name)
        return false;
    memcpy(name, host, length);
    return inet_pton(brackets ? AF_INET6 : AF_INET, name, &address) == 1;
}
