/* SPDX-License-Identifier: MIT */
#include "viewer/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 64 }; /* waiting to be accepted */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static int parse(union address *out, const char *text, int port, struct err *e)
{
    *out = (union address){0};
    if (inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons((uint16_t)port);
        return 0;
    }
    if (inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons((uint16_t)port);
        return 0;
    }
    return err_set(e, ERR_INPUT,
                   "--bind takes an address in digits, such as 192.168.1.5, "
                   "0.0.0.0 for all of this computer, or ::1; not '%.60s'",
                   text);
}

static bool is_loopback(const union address *a)
{
    if (a->any.sa_family == AF_INET)
        return ntohl(a->v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
}

static bool is_any(const union address *a)
{
    if (a->any.sa_family == AF_INET)
        return a->v4.sin_addr.s_addr == htonl(INADDR_ANY);
    return IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr);
}

/* ---- the address for a browser ---- */

static bool is_outward(const struct ifaddrs *i)
{
    return i->ifa_addr != NULL && i->ifa_addr->sa_family == AF_INET &&
           (i->ifa_flags & IFF_UP) != 0 && (i->ifa_flags & IFF_LOOPBACK) == 0;
}

/* One of this computer's addresses, by which others reach it. */
static void find_outward(char *out, size_t size)
{
    struct ifaddrs *all = NULL;
    (void)snprintf(out, size, "127.0.0.1");
    if (getifaddrs(&all) != 0)
        return;
    for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
        if (!is_outward(i))
            continue;
        struct sockaddr_in address;
        memcpy(&address, i->ifa_addr, sizeof address);
        (void)inet_ntop(AF_INET, &address.sin_addr, out, (socklen_t)size);
        break;
    }
    freeifaddrs(all);
}

static void set_url(struct listen_place *p, const union address *wanted)
{
    char name[INET6_ADDRSTRLEN] = "";
    union address bound = *wanted;
    socklen_t size = sizeof bound;
    (void)getsockname(p->fd, &bound.any, &size);
    p->port = ntohs(p->ipv6 ? bound.v6.sin6_port : bound.v4.sin_port);
    if (is_any(wanted))
        find_outward(name, sizeof name);
    else if (p->ipv6)
        (void)inet_ntop(AF_INET6, &bound.v6.sin6_addr, name, sizeof name);
    else
        (void)inet_ntop(AF_INET, &bound.v4.sin_addr, name, sizeof name);
    bool brackets = strchr(name, ':') != NULL;
    (void)snprintf(p->url, sizeof p->url, "http://%s%s%s:%d/",
                   brackets ? "[" : "", name, brackets ? "]" : "", p->port);
}

/* ---- the socket ---- */

static int bind_to(int fd, const union address *address, const char *text,
                   int port, struct err *e)
{
    int yes = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    socklen_t size = address->any.sa_family == AF_INET ? sizeof address->v4
                                                       : sizeof address->v6;
    if (bind(fd, &address->any, size) == 0 && listen(fd, BACKLOG) == 0)
        return 0;
    if (errno == EADDRINUSE)
        return err_set(e, ERR_INPUT,
                       "port %d is in use; --port N takes another, --port 0 "
                       "any that is free",
                       port);
    if (errno == EADDRNOTAVAIL)
        return err_set(e, ERR_INPUT, "%s is no address of this computer", text);
    return err_errno(e, "cannot listen on %s port %d", text, port);
}

int listen_open(struct listen_place *out, const char *address, int port,
                struct err *e)
{
    union address wanted;
    const char *text = address == NULL ? "127.0.0.1" : address;
    *out = (struct listen_place){.fd = -1};
    TRY(parse(&wanted, text, port, e));
    out->ipv6 = wanted.any.sa_family == AF_INET6;
    out->beyond = !is_loopback(&wanted);
    int fd = socket(wanted.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_errno(e, "cannot make a socket");
    int code = bind_to(fd, &wanted, text, port, e);
    if (code != 0) {
        (void)close(fd);
        return code;
    }
    out->fd = fd;
    set_url(out, &wanted);
    return 0;
}
