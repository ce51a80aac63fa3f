/* SPDX-License-Identifier: MIT */
#include "viewer/answer.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <microhttpd.h>

#include "viewer/api.h"
#include "viewer/gzip.h"
#include "viewer/host.h"
#include "viewer/target.h"

/* A response in the making. */
struct answer {
    int status;
    const char *type; /* NULL: no body */
    const void *body;
    size_t size;
    void *owned;   /* the body, if it is to be freed */
    char etag[48]; /* empty: none */
};

/* Scripts, styles and requests from here only, nothing inline, no frame around
 * it. */
static const struct {
    const char *name, *value;
} always[] = {
    {"Content-Security-Policy",
     "default-src 'self'; base-uri 'none'; form-action 'none'; "
     "frame-ancestors 'none'; object-src 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cache-Control", "no-cache"},
    {"Vary", "Accept-Encoding"},
};

/* ---- ETags ---- */

/* FNV-1a */
static uint64_t hash(uint64_t start, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint64_t h = start ^ 0xcbf29ce484222325U;
    for (size_t i = 0; i < size; i++)
        h = (h ^ bytes[i]) * 0x100000001b3U;
    return h;
}

/* Weak, since gzip changes the bytes. */
static void set_etag(struct answer *a, uint64_t high, uint64_t low)
{
    (void)snprintf(a->etag, sizeof a->etag,
                   "W/\"%016" PRIx64 "-%016" PRIx64 "\"", high, low);
}

/* Whether the client says that it has this one. Quotes delimit a tag. */
static bool has_already(const struct answer *a, const char *if_none_match)
{
    if (if_none_match == NULL || a->etag[0] == '\0')
        return false;
    return strcmp(if_none_match, "*") == 0 ||
           strstr(if_none_match, a->etag + 2) != NULL;
}

/* ---- content ---- */

static void put_error(struct answer *a, int status, const char *message)
{
    struct api_answer error;
    api_error(&error, status, message);
    *a = (struct answer){.status = status,
                         .type = "application/json",
                         .body = error.text,
                         .owned = error.text,
                         .size = error.length};
}

static void put_api(struct answer *a, const struct answer_site *site,
                    struct target *target, const char *raw,
                    const char *if_none_match)
{
    const char *version = site->api.version;
    uint64_t state =
        hash(pool_fingerprint(site->api.pool), version, strlen(version));
    *a = (struct answer){.status = 304};
    set_etag(a, state, hash(0, raw, strlen(raw)));
    if (has_already(a, if_none_match))
        return;
    struct api_answer made;
    api_answer(&made, &site->api, target);
    a->status = made.status;
    a->type = made.csv ? "text/csv; charset=utf-8" : "application/json";
    a->body = a->owned = made.text;
    a->size = made.length;
    if (made.status != 200)
        a->etag[0] = '\0';
}

static void put_asset(struct answer *a, const struct answer_site *site,
                      const char *path, const char *if_none_match)
{
    struct asset asset;
    if (!assets_get(&asset, &site->assets, path)) {
        put_error(a, 404, "no such page");
        return;
    }
    *a = (struct answer){.status = 200,
                         .type = asset.type,
                         .body = asset.bytes,
                         .size = asset.size,
                         .owned = asset.owned};
    set_etag(a, asset.size, hash(0, asset.bytes, asset.size));
    if (has_already(a, if_none_match)) {
        a->status = 304;
        a->type = NULL; /* the bytes are freed with the response */
        a->size = 0;
    }
}

/* ---- who asks ---- */

static enum MHD_Result count_host(void *context, enum MHD_ValueKind kind,
                                  const char *name, const char *value)
{
    int *n = context;
    (void)kind;
    (void)value;
    *n += strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0;
    return MHD_YES;
}

/* Whether the request is refused, and then how. */
static bool is_refused(struct answer *a, struct MHD_Connection *connection,
                       const struct answer_site *site, const char *method,
                       const char *raw)
{
    int hosts = 0;
    (void)MHD_get_connection_values(connection, MHD_HEADER_KIND, count_host,
                                    &hosts);
    const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                   MHD_HTTP_HEADER_HOST);
    if (hosts != 1 || host == NULL)
        put_error(a, 400, "a request needs one Host header");
    else if (!host_is_ours(host, site->allowed_hosts))
        put_error(a, 403,
                  "this server answers to localhost, 127.0.0.1 and [::1]; for "
                  "another name start it with --allow-host NAME");
    else if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
             strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        put_error(a, 405, "only GET and HEAD");
    else if (strlen(raw) > ANSWER_TARGET_MAX)
        put_error(a, 414, "the address is too long");
    else
        return false;
    return true;
}

static void make(struct answer *a, struct MHD_Connection *connection,
                 const struct answer_site *site, const char *method,
                 const char *raw)
{
    if (is_refused(a, connection, site, method, raw))
        return;
    struct err e = {0};
    struct target target;
    if (target_parse(&target, raw, &e) != 0) {
        put_error(a, 400, e.msg);
        return;
    }
    const char *tag = MHD_lookup_connection_value(
        connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_NONE_MATCH);
    if (api_owns(target.path))
        put_api(a, site, &target, raw, tag);
    else
        put_asset(a, site, target.path, tag);
    target_free(&target);
}

/* ---- sending ---- */

static bool is_text(const struct answer *a)
{
    return a->type != NULL && strcmp(a->type, "image/png") != 0;
}

static void compress(struct answer *a)
{
    size_t size;
    void *small = gzip_compress(&size, a->body, a->size);
    if (small == NULL)
        return;
    free(a->owned);
    a->body = a->owned = small;
    a->size = size;
}

/* Returns whether all headers are there. */
static bool add_headers(struct MHD_Response *response, const struct answer *a,
                        bool compressed)
{
    enum MHD_Result ok = MHD_YES;
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        ok &=
            MHD_add_response_header(response, always[i].name, always[i].value);
    if (a->type != NULL)
        ok &= MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                      a->type);
    if (a->etag[0] != '\0')
        ok &= MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, a->etag);
    if (compressed)
        ok &= MHD_add_response_header(response,
                                      MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
    if (a->status == 405)
        ok &= MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW,
                                      "GET, HEAD");
    return ok == MHD_YES;
}

int answer_queue(struct MHD_Connection *connection,
                 const struct answer_site *site, const char *method,
                 const char *raw)
{
    struct answer a;
    make(&a, connection, site, method, raw);
    const void *plain = a.body;
    if (is_text(&a) &&
        gzip_is_accepted(MHD_lookup_connection_value(
            connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT_ENCODING)))
        compress(&a);
    /* The copy that is not ours to free stays as long as the program. */
    struct MHD_Response *response = MHD_create_response_from_buffer(
        a.size, a.owned != NULL ? a.owned : (void *)(uintptr_t)a.body,
        a.owned != NULL ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (response == NULL) {
        free(a.owned);
        return MHD_NO;
    }
    enum MHD_Result queued = MHD_NO;
    if (add_headers(response, &a, a.body != plain))
        queued = MHD_queue_response(connection, (unsigned)a.status, response);
    MHD_destroy_response(response);
    return queued;
}
