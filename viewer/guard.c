/* SPDX-License-Identifier: MIT */
#include "viewer/guard.h"

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
    if (!host_is_ours(host, rules->allowed_hosts))
        return refuse(out, 403,
                      "this server answers to localhost, 127.0.0.1 and [::1]; "
                      "for another name start it with --allow-host NAME");
    return false;
}

bool guard_refuses(struct guard_refusal *out, struct MHD_Connection *connection,
                   const struct guard_rules *rules, const char *method,
                   const char *raw)
{
    if (refuses_host(out, connection, rules))
        return true;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
        strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        (void)refuse(out, 405, "only GET and HEAD");
        out->allow = "GET, HEAD";
        return true;
    }
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
