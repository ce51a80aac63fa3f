/* SPDX-License-Identifier: MIT */
#include "viewer/answer.h"

#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <microhttpd.h>

#include "viewer/api.h"
#include "viewer/gzip.h"
#include "viewer/marks.h"
#include "viewer/target.h"

/* A response in the making. */
struct answer {
    int status;
    const char *type; /* NULL: no body */
    const void *body;
    size_t size;
    void *owned;          /* the body, if it is to be freed */
    char etag[48];        /* empty: none */
    const char *file;     /* name to save it by, or NULL */
    const char *cut;      /* why there is no more of it, or NULL */
    char next[CALL_NEXT]; /* `after` of the next page, or empty */
    char *link;           /* to the next page, to be freed, or NULL */
    const char *allow;    /* methods, with 405 */
    uint64_t state;       /* of the database that it rests on; 0: on none */
    bool outdated;        /* the file is another by now */
    char *location;       /* where to go instead, to be freed, or NULL */
    const struct access *access; /* what the browser is to keep, or NULL */
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

/* The ETag stays as it is. */
static void take_made(struct answer *a, const struct api_answer *made)
{
    a->status = made->status;
    a->type = made->type == NULL ? "application/json" : made->type;
    a->body = a->owned = made->text;
    a->size = made->length;
    a->file = made->file;
    a->cut = made->cut;
    memcpy(a->next, made->next, sizeof a->next);
}

static void put_error(struct answer *a, int status, const char *message)
{
    struct api_answer error;
    api_error(&error, status, message);
    *a = (struct answer){0};
    take_made(a, &error);
}

static void put_posted(struct answer *a, const struct call_site *api,
                       struct target *target,
                       const struct answer_request *request)
{
    struct api_answer made;
    api_answer(&made, api, target, request->body, request->body_size);
    *a = (struct answer){0};
    take_made(a, &made);
}

/* The address of the next page as a header has it (RFC 8288): this one's with
 * another `after`. The target is as it came, and so has no '>' that the client
 * did not put there; one with any is told no link. NULL without memory. */
static char *link_to_next(const char *raw, const char *next)
{
    static const char *const names[] = {"after=", "offset="};
    char *text = NULL;
    size_t size, path = strcspn(raw, "?");
    if (strpbrk(raw, "<>") != NULL)
        return NULL;
    FILE *f = open_memstream(&text, &size);
    if (f == NULL)
        return NULL;
    (void)fprintf(f, "<%.*s?", (int)path, raw);
    for (const char *at = raw + path; *at != '\0';) {
        size_t length = strcspn(++at, "&");
        bool kept = length > 0;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            kept = kept && strncmp(at, names[i], strlen(names[i])) != 0;
        if (kept)
            (void)fprintf(f, "%.*s&", (int)length, at);
        at += length;
    }
    (void)fprintf(f, "after=%s>; rel=\"next\"", next);
    if (fclose(f) == 0)
        return text;
    free(text);
    return NULL;
}

static void put_api(struct answer *a, const struct call_site *api,
                    struct target *target, const char *raw,
                    const char *if_none_match)
{
    const char *version = api->version;
    uint64_t state =
        hash(pool_fingerprint(api->pool), version, strlen(version)) ^
        labels_state(api->labels);
    *a = (struct answer){.status = 304};
    set_etag(a, state, hash(0, raw, strlen(raw)));
    if (has_already(a, if_none_match))
        return;
    struct api_answer made;
    api_answer(&made, api, target, NULL, 0);
    take_made(a, &made);
    if (made.next[0] != '\0')
        a->link = link_to_next(raw, made.next);
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

/* ---- questions in SQL ---- */

/* The address of the client, which tells it from others. */
static void name_client(char *out, size_t size,
                        struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info == NULL ? NULL : info->client_addr;
    if (address == NULL ||
        getnameinfo(address,
                    address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                   : sizeof(struct sockaddr_in),
                    out, (socklen_t)size, NULL, 0, NI_NUMERICHOST) != 0)
        out[0] = '\0';
}

static int socket_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info == NULL ? -1 : info->connect_fd;
}

static void put_sql(struct answer *a, struct MHD_Connection *connection,
                    struct answer_site *site, struct target *target)
{
    char name[GATE_NAME];
    name_client(name, sizeof name, connection);
    const struct sql_client client = {.name = name,
                                      .socket = socket_of(connection)};
    struct api_answer made;
    sql_answer(&made, &site->sql, target, &client);
    *a = (struct answer){0};
    take_made(a, &made);
}

/* ---- questions about prompts ---- */

static void put_prompt(struct answer *a, struct MHD_Connection *connection,
                       struct answer_site *site, struct target *target)
{
    struct api_answer made;
    struct state *state = states_hold(&site->states);
    api_prompt_answer(&made, site->prompts, &state->api, target,
                      socket_of(connection));
    *a = (struct answer){0};
    take_made(a, &made);
    a->state = pool_fingerprint(state->api.pool);
    a->outdated = pool_is_outdated(state->api.pool);
    states_drop(&site->states, state);
}

/* ---- who gets what ---- */

static void put_labels(struct answer *a, const struct call_site *api)
{
    struct api_answer made;
    marks_answer_csv(&made, api);
    *a = (struct answer){0};
    take_made(a, &made);
}

/* Opens the database anew, as the page asks when it has heard of a change. */
static void put_renewed(struct answer *a, struct answer_site *site)
{
    struct err e = {0};
    if (states_renew(&site->states, &e) != 0) {
        put_error(a, 503, e.msg);
        return;
    }
    *a = (struct answer){.status = 200, .type = "application/json"};
    a->body = "{}";
    a->size = 2;
}

/* What is asked of the database: with the state that is shown, and whether the
 * file has become another. */
static void put_data(struct answer *a, struct answer_site *site,
                     struct target *target,
                     const struct answer_request *request, const char *tag)
{
    struct state *state = states_hold(&site->states);
    const struct call_site *api = &state->api;
    if (strcmp(target->path, "/api/labels.csv") == 0)
        put_labels(a, api);
    else if (request->body != NULL)
        put_posted(a, api, target, request);
    else
        put_api(a, api, target, request->raw, tag);
    a->state = pool_fingerprint(api->pool);
    a->outdated = pool_is_outdated(api->pool);
    states_drop(&site->states, state);
}

static void choose(struct answer *a, struct MHD_Connection *connection,
                   struct answer_site *site, struct target *target,
                   const struct answer_request *request)
{
    const char *tag = MHD_lookup_connection_value(
        connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_NONE_MATCH);
    if (!api_owns(target->path))
        put_asset(a, site, target->path, tag);
    else if (guard_is_foreign(connection))
        put_error(a, 403, "a page of another site may not ask this server");
    else if (request->body_size > guard_body_max(request->raw))
        put_error(a, 413, "the body is too large");
    else if (sql_owns(target->path))
        put_sql(a, connection, site, target);
    else if (api_prompt_owns(target->path))
        put_prompt(a, connection, site, target);
    else if (request->body != NULL && strcmp(target->path, "/api/renew") == 0)
        put_renewed(a, site);
    else
        put_data(a, site, target, request, tag);
}

/* Whether somebody may ask who has the token in the address or as a cookie.
 * From the page's own address it goes, so that it is in no history. */
static bool has_access(struct answer *a, struct MHD_Connection *connection,
                       const struct answer_site *site, struct target *target,
                       const struct answer_request *request)
{
    const struct access *access = &site->access;
    if (access->token[0] == '\0')
        return true;
    bool given = access_is(access, target_text(target, "access"));
    if (!given && !access_has_cookie(access, connection)) {
        put_error(a, 401,
                  "open the whole address that headscope view has printed, "
                  "with its access=...");
        return false;
    }
    if (given && strcmp(target->path, "/") == 0) {
        *a = (struct answer){.status = 303,
                             .location = access_without(request->raw),
                             .access = access};
        return false;
    }
    return true;
}

static void make(struct answer *a, struct MHD_Connection *connection,
                 struct answer_site *site, const struct answer_request *request)
{
    struct guard_refusal refusal;
    if (guard_refuses(&refusal, connection, &site->rules, request->method,
                      request->raw)) {
        put_error(a, refusal.status, refusal.message);
        a->allow = refusal.allow;
        return;
    }
    struct err e = {0};
    struct target target;
    if (target_parse(&target, request->raw, &e) != 0) {
        put_error(a, 400, e.msg);
        return;
    }
    if (has_access(a, connection, site, &target, request))
        choose(a, connection, site, &target, request);
    target_free(&target);
}

bool answer_is_refusal(struct MHD_Connection *connection,
                       const struct answer_site *site,
                       const struct answer_request *request)
{
    struct guard_refusal refusal;
    return guard_refuses(&refusal, connection, &site->rules, request->method,
                         request->raw);
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
    if (a->allow != NULL)
        ok &=
            MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, a->allow);
    if (a->link != NULL)
        ok &= MHD_add_response_header(response, MHD_HTTP_HEADER_LINK, a->link);
    if (a->cut != NULL)
        ok &= MHD_add_response_header(response, "Headscope-Cut", a->cut);
    if (a->state != 0) {
        char value[20];
        (void)snprintf(value, sizeof value, "%016" PRIx64, a->state);
        ok &= MHD_add_response_header(response, "Headscope-State", value);
    }
    if (a->outdated)
        ok &= MHD_add_response_header(response, "Headscope-Changed", "1");
    if (a->location != NULL)
        ok &= MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION,
                                      a->location);
    if (a->access != NULL) {
        char value[ACCESS_COOKIE];
        access_cookie(value, a->access);
        ok &= MHD_add_response_header(response, MHD_HTTP_HEADER_SET_COOKIE,
                                      value);
    }
    if (a->file != NULL) {
        char value[64];
        (void)snprintf(value, sizeof value, "attachment; filename=\"%s\"",
                       a->file);
        ok &= MHD_add_response_header(
            response, MHD_HTTP_HEADER_CONTENT_DISPOSITION, value);
    }
    return ok == MHD_YES;
}

int answer_queue(struct MHD_Connection *connection, struct answer_site *site,
                 const struct answer_request *request)
{
    struct answer a;
    make(&a, connection, site, request);
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
        free(a.location);
        free(a.link);
        return MHD_NO;
    }
    enum MHD_Result queued = MHD_NO;
    bool complete = add_headers(response, &a, a.body != plain);
    free(a.location);
    free(a.link);
    if (complete)
        queued = MHD_queue_response(connection, (unsigned)a.status, response);
    MHD_destroy_response(response);
    return queued;
}
