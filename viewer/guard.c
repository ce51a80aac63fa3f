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

/* What is posted to, and of which kind: none that a form of a page elsewhere
 * could send. */
static const struct posted {
    const char *path, *type;
    size_t most; /* bytes */
} posted[] = {
    {"/api/label", "application/json", GUARD_BODY_MAX},
    {"/api/renew", "application/json", GUARD_BODY_MAX},
    {"/api/labels/import", "text/csv", GUARD_TABLE_MAX},
};

/* Which of them a raw path is, with whatever parameters; it must be spelled
 * exactly so. NULL: none. */
static const struct posted *find_posted(const char *raw)
{
    for (size_t i = 0; i < sizeof posted / sizeof *posted; i++)
        if (strcspn(raw, "?") == strlen(posted[i].path) &&
            strncmp(raw, posted[i].path, strlen(posted[i].path)) == 0)
            return &posted[i];
    return NULL;
}

size_t guard_body_max(const char *raw)
{
    const struct posted *p = find_posted(raw);
    return p == NULL ? GUARD_BODY_MAX : p->most;
}

static bool refuses_method(struct guard_refusal *out, const char *method,
                           const char *raw)
{
    bool posts = find_posted(raw) != NULL;
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

static bool is_of_type(const char *header, const char *type)
{
    size_t length = strlen(type);
    return header != NULL && strncasecmp(header, type, length) == 0 &&
           (header[length] == '\0' || header[length] == ';');
}

/* A page elsewhere can send a form without asking, but none of our types; and
 * what browsers send they mark with where it comes from. */
static bool refuses_post(struct guard_refusal *out,
                         struct MHD_Connection *connection, const char *raw)
{
    const struct posted *p = find_posted(raw);
    const char *origin = header(connection, MHD_HTTP_HEADER_ORIGIN);
    const char *length = header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (!is_of_type(header(connection, MHD_HTTP_HEADER_CONTENT_TYPE), p->type))
        return refuse(out, 415,
                      p->most == GUARD_TABLE_MAX
                          ? "the body must be text/csv"
                          : "the body must be application/json");
    if (guard_is_foreign(connection) ||
        (origin != NULL &&
         !is_origin_of(origin, header(connection, MHD_HTTP_HEADER_HOST))))
        return refuse(out, 403, "a page of another site may not write here");
    if (length != NULL && strtoull(length, NULL, 10) > p->most)
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
        return refuses_post(out, connection, raw);
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
