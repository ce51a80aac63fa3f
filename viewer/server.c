/* SPDX-License-Identifier: MIT */
#include "viewer/server.h"

#include <malloc.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/interrupt.h"
#include "base/output.h"
#include "viewer/answer.h"
#include "viewer/clients.h"
#include "viewer/listen.h"

enum {
    HEAD_SECONDS = 10,       /* for a request to arrive */
    ANSWER_SECONDS = 60,     /* for an answer to leave, also over ssh */
    IDLE_SECONDS = 10,       /* without any byte */
    LOOK_MILLISECONDS = 200, /* between looks at clients and signals */
    MEMORY = 32 << 10,       /* of a connection: line, headers, both ways */
};

struct server {
    struct answer_site site;
    struct labels *labels;
    struct clients clients;
    struct MHD_Daemon *daemon;
    char name[OUTPUT_PATH_MAX];
    char url[SERVER_URL];
};

/* A request from its first line to its last byte. */
struct request {
    struct client *client; /* of its connection; NULL without memory */
    bool begun;            /* libmicrohttpd has shown its head */
    char *body;            /* of a POST; NULL: nothing yet */
    size_t body_size, body_room;
    char raw[]; /* its target, not decoded */
};

/* ---- callbacks of libmicrohttpd ---- */

static void on_connection(void *context, struct MHD_Connection *connection,
                          void **of_connection,
                          enum MHD_ConnectionNotificationCode what)
{
    struct server *s = context;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        clients_remove(&s->clients, *of_connection);
        *of_connection = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *of_connection = clients_add(&s->clients, info->connect_fd);
}

/* The request line is here. */
static void *on_target(void *context, const char *raw,
                       struct MHD_Connection *connection)
{
    (void)context;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    size_t size = strlen(raw) + 1;
    struct request *r = calloc(1, sizeof *r + size);
    if (r == NULL)
        return NULL;
    r->client = info == NULL ? NULL : info->socket_context;
    memcpy(r->raw, raw, size);
    return r;
}

/* A piece of a body, kept up to one byte more than is taken. */
static enum MHD_Result take_body(struct request *r, const char *piece,
                                 size_t *size)
{
    size_t room = guard_body_max(r->raw) + 1 - r->body_size;
    size_t taken = *size < room ? *size : room;
    if (taken > r->body_room - r->body_size) {
        size_t grown = r->body_size + taken + r->body_size / 2;
        char *body = realloc(r->body, grown);
        if (body == NULL)
            return MHD_NO;
        r->body = body;
        r->body_room = grown;
    }
    memcpy(r->body + r->body_size, piece, taken);
    r->body_size += taken;
    *size = 0;
    return MHD_YES;
}

static enum MHD_Result answer(struct server *s,
                              struct MHD_Connection *connection,
                              struct request *r, const char *method)
{
    bool posts = strcmp(method, MHD_HTTP_METHOD_POST) == 0;
    const struct answer_request request = {
        .method = method,
        .raw = r->raw,
        .body = !posts            ? NULL
                : r->body == NULL ? ""
                                  : r->body,
        .body_size = r->body_size,
    };
    clients_answering(&s->clients, r->client);
    return (enum MHD_Result)answer_queue(connection, &s->site, &request);
}

/* Called with the head, then with pieces of a body, then without any. The body
 * of a GET is of no use and thrown away. */
static enum MHD_Result on_request(void *context,
                                  struct MHD_Connection *connection,
                                  const char *url, const char *method,
                                  const char *http, const char *body,
                                  size_t *body_size, void **of_request)
{
    struct server *s = context;
    struct request *r = *of_request;
    (void)url;
    (void)http;
    if (r == NULL)
        return MHD_NO;
    const struct answer_request head = {.method = method, .raw = r->raw};
    bool reads = strcmp(method, MHD_HTTP_METHOD_GET) == 0 ||
                 strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    if (!r->begun &&
        (reads || !answer_is_refusal(connection, &s->site, &head))) {
        r->begun = true;
        return MHD_YES;
    }
    if (*body_size != 0 && reads) {
        *body_size = 0;
        return MHD_YES;
    }
    if (*body_size != 0)
        return take_body(r, body, body_size);
    return answer(s, connection, r, method);
}

static void on_completed(void *context, struct MHD_Connection *connection,
                         void **of_request, enum MHD_RequestTerminationCode how)
{
    struct server *s = context;
    struct request *r = *of_request;
    (void)connection;
    (void)how;
    if (r != NULL)
        clients_waiting(&s->clients, r->client);
    if (r != NULL)
        free(r->body);
    free(r);
    *of_request = NULL;
}

/* Targets are decoded by viewer/target.h, from their raw form. */
static size_t leave_as_it_is(void *context, struct MHD_Connection *connection,
                             char *text)
{
    (void)context;
    (void)connection;
    return strlen(text);
}

/* ---- listening ---- */

/* Where others can reach it, who asks must have the token. */
static int set_access(struct server *s, const struct listen_place *place,
                      const struct server_options *options, struct err *e)
{
    struct answer_site *site = &s->site;
    site->rules.addresses = options->bind != NULL;
    (void)snprintf(s->url, sizeof s->url, "%s", place->url);
    if (!place->beyond && !options->token)
        return 0;
    TRY(access_make(&site->access, place->port, e));
    (void)snprintf(s->url, sizeof s->url, "%s?access=%s", place->url,
                   site->access.token);
    return 0;
}

static int start(struct server *s, const struct listen_place *place,
                 struct err *e)
{
    s->daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL_INTERNAL_THREAD |
            (place->ipv6 ? MHD_USE_IPv6 : MHD_NO_FLAG),
        0, NULL, NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, place->fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)SERVER_CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, s, MHD_OPTION_UNESCAPE_CALLBACK,
        leave_as_it_is, s, MHD_OPTION_END);
    if (s->daemon == NULL)
        return err_set(e, ERR_SYSTEM, "cannot start the server");
    return 0;
}

static int listen_and_start(struct server *s,
                            const struct server_options *options, struct err *e)
{
    struct listen_place place;
    TRY(listen_open(&place, options->bind, options->port, e));
    int code = set_access(s, &place, options, e);
    if (code == 0)
        code = start(s, &place, e);
    if (code != 0)
        (void)close(place.fd);
    return code;
}

/* ---- all of it ---- */

static int open_prompts(struct server *s, const struct server_options *options,
                        struct err *e)
{
    const struct prompt_model_options model = {.database = options->database,
                                               .model = options->model,
                                               .saes = options->saes,
                                               .threads = options->threads};
    if (options->model == NULL)
        return 0;
    return prompts_open(&s->site.prompts, &model, options->prompt_seconds, e);
}

/* Answers are made by threads that come and go. Without limits the C library
 * gives each a heap of its own, and keeps in all of them what one long list has
 * taken: 214 MB where 90 are in use. */
static void bound_heaps(void)
{
    (void)mallopt(M_ARENA_MAX, 4);
    (void)mallopt(M_MMAP_THRESHOLD, 256 << 10);
    (void)mallopt(M_TRIM_THRESHOLD, 1 << 20);
}

static int open_all(struct server *s, const struct server_options *options,
                    struct err *e)
{
    struct call_site common = {.name = s->name, .version = options->version};
    TRY(labels_open(&s->labels, options->database, e));
    common.labels = s->labels;
    TRY(states_open(&s->site.states, options->database, &common, e));
    TRY(assets_open(&s->site.assets, options->web, e));
    TRY(open_prompts(s, options, e));
    return listen_and_start(s, options, e);
}

int server_open(struct server **out, const struct server_options *options,
                struct err *e)
{
    struct server *s = calloc(1, sizeof *s);
    *out = s;
    if (s == NULL)
        return err_memory(e, "the server", sizeof *s);
    output_base_name(s->name, sizeof s->name, options->database);
    s->site.sql.path = options->database;
    s->site.sql.seconds = options->sql_seconds;
    s->site.rules.allowed_hosts = options->allow_hosts;
    s->site.assets.folder = -1;
    bound_heaps();
    clients_init(&s->clients, HEAD_SECONDS, ANSWER_SECONDS);
    gate_init(&s->site.sql.gate);
    int code = open_all(s, options, e);
    if (code != 0)
        server_close(out);
    return code;
}

int server_open_model(struct server *s, struct err *e)
{
    struct prompts_answer answer;
    struct state *state = states_hold(&s->site.states);
    const struct prompts_question question = {.site = &state->api,
                                              .socket = -1};
    int code = s->site.prompts == NULL
                   ? 0
                   : prompts_ask(&answer, s->site.prompts, &question, e);
    if (code == 0 && s->site.prompts != NULL)
        free(answer.text);
    states_drop(&s->site.states, state);
    return code;
}

const char *server_url(const struct server *s)
{
    return s->url;
}

void server_run(struct server *s)
{
    while (!interrupt_requested()) {
        (void)poll(NULL, 0, LOOK_MILLISECONDS);
        clients_shut_late(&s->clients);
    }
}

void server_close(struct server **server)
{
    struct server *s = *server;
    if (s == NULL)
        return;
    states_interrupt(&s->site.states);
    prompts_interrupt(s->site.prompts);
    if (s->daemon != NULL)
        MHD_stop_daemon(s->daemon);
    assets_close(&s->site.assets);
    prompts_close(&s->site.prompts);
    states_close(&s->site.states);
    labels_close(&s->labels);
    clients_destroy(&s->clients);
    gate_destroy(&s->site.sql.gate);
    free(s);
    *server = NULL;
}
