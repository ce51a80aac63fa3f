/* SPDX-License-Identifier: MIT */
#include "viewer/guard.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <microhttpd.h>

#include "viewer/host.h"

static enum MHD_Result count_host(void *context, enum MHD_ValueKind kind,
                                  const char *name, const char *value)
{
    int *n = context;
    (void)kind;
    (void)value;
    *n += strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0;
    return MHD_YES;
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static bool refuse(struct guard_refusal *out, int status, const char *message)
{
    *out = (struct guard_refusal){.status = status, .message = message};
    return true;
}

static bool refuses_host(struct guard_refusal *out,
                         struct MHD_Connection *connection,
                         const struct guard_rules *rules)
{
    int hosts = 0;
    (void)MHD_get_connection_values(connection, MHD_HEADER_KIND, count_host,
                                    &hosts);
    const char *host = header(connection, MHD_HTTP_HEADER_HOST);
    if (hosts != 1 || host == NULL)
        return refuse(out, 400, "a request needs one Host header");
    if (rules->addresses && host_is_address(host))
        return false;
    if (!host_is_ours(host, rules->allowed_hosts))
        return refuse(out, 403,
                      "this server answers to localhost, 127.0.0.1 and [::1]; "
                      "for another name start it with --allow-host NAME");
    return false;
}

/* Whether a raw path, with whatever parameters, is one that is posted to; it
 * must be spelled exactly so. */
static bool is_posted_to(const char *raw)
{
    static const char *const paths[] = {"/api/label", "/api/renew"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (strcspn(raw, "?") == strlen(paths[i]) &&
            strncmp(raw, paths[i], strlen(paths[i])) == 0)
            return true;
    return false;
}

static bool refuses_method(struct guard_refusal *out, const char *method,
                           const char *raw)
{
    bool posts = is_posted_to(raw);
    bool reads = strcmp(method, MHD_HTTP_METHOD_GET) == 0 ||
                 strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    if (posts ? strcmp(method, MHD_HTTP_METHOD_POST) == 0 : reads)
        return false;
    (void)refuse(out, 405, posts ? "only POST" : "only GET and HEAD");
    out->allow = posts ? "POST" : "GET, HEAD";
    return true;
}

/* "http://127.0.0.1:8765" is the origin of a page under Host 127.0.0.1:8765. */
static bool is_origin_of(const char *origin, const char *host)
{
    const char *authority = strstr(origin, "://");
    return authority != NULL && strcasecmp(authority + 3, host) == 0;
}

/* A page elsewhere can send a form without asking, but no JSON; and what
 * browsers send they mark with where it comes from. */
static bool refuses_post(struct guard_refusal *out,
                         struct MHD_Connection *connection)
{
    static const char json[] = "application/json";
    const char *type = header(connection, MHD_HTTP_HEADER_CONTENT_TYPE);
    const char *origin = header(connection, MHD_HTTP_HEADER_ORIGIN);
    const char *length = header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (type == NULL || strncasecmp(type, json, sizeof json - 1) != 0 ||
        (type[sizeof json - 1] != '\0' && type[sizeof json - 1] != ';'))
        return refuse(out, 415, "the body must be application/json");
    if (guard_is_foreign(connection) ||
        (origin != NULL &&
         !is_origin_of(origin, header(connection, MHD_HTTP_HEADER_HOST))))
        return refuse(out, 403, "a page of another site may not write here");
    if (length != NULL && strtoull(length, NULL, 10) > GUARD_BODY_MAX)
        return refuse(out, 413, "the body is too large");
    return false;
}

bool guard_refuses(struct guard_refusal *out, struct MHD_Connection *connection,
                   const struct guard_rules *rules, const char *method,
                   const char *raw)
{
    if (refuses_host(out, connection, rules))
        return true;
    if (refuses_method(out, method, raw))
        return true;
    if (strcmp(method, MHD_HTTP_METHOD_POST) == 0)
        return refuses_post(out, connection);
    if (strlen(raw) > GUARD_TARGET_MAX)
        return refuse(out, 414, "the address is too long");
    return false;
}

bool guard_is_foreign(struct MHD_Connection *connection)
{
    const char *site = header(connection, "Sec-Fetch-Site");
    return site != NULL && strcmp(site, "same-origin") != 0 &&
           strcmp(site, "none") != 0;
}
