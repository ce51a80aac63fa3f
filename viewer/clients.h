/* SPDX-License-Identifier: MIT
 *
 * The open connections and how long each may still take. libmicrohttpd's own
 * timeout begins again with every byte; a client that sends one a second would
 * hold its thread for ever. Any number of threads.
 */
#ifndef VIEWER_CLIENTS_H
#define VIEWER_CLIENTS_H

#include <pthread.h>
#include <stdbool.h>

struct client {
    struct client *next, *previous;
    int socket;
    double deadline;
};

struct clients {
    pthread_mutex_t mutex;
    struct client *first;
    /* Seconds for a request to arrive whole, and for its answer to leave. */
    double to_send, to_receive;
};

void clients_init(struct clients *c, double to_send, double to_receive);
/* All must have been removed. */
void clients_destroy(struct clients *c);

/* A new connection, whose first request is awaited; NULL without memory. */
struct client *clients_add(struct clients *c, int socket);
/* Before its socket is closed. Accepts NULL. */
void clients_remove(struct clients *c, struct client *client);

/* Its request is here and being answered; its answer has left. */
void clients_answering(struct clients *c, struct client *client);
void clients_waiting(struct clients *c, struct client *client);

/* Shuts the sockets that are late; their threads notice. */
void clients_shut_late(struct clients *c);

/* Whether the client has closed, or only ended, its side of the connection; or
 * the server has, as it does when it ends. For work that is done for it. */
bool clients_has_left(int socket);

#endif
