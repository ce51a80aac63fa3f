/* SPDX-License-Identifier: MIT */
#include "viewer/clients.h"

#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"

void clients_init(struct clients *c, double to_send, double to_receive)
{
    *c = (struct clients){.to_send = to_send, .to_receive = to_receive};
    (void)pthread_mutex_init(&c->mutex, NULL);
}

void clients_destroy(struct clients *c)
{
    (void)pthread_mutex_destroy(&c->mutex);
}

struct client *clients_add(struct clients *c, int socket)
{
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return NULL;
    client->socket = socket;
    client->deadline = clock_seconds() + c->to_send;
    (void)pthread_mutex_lock(&c->mutex);
    client->next = c->first;
    if (c->first != NULL)
        c->first->previous = client;
    c->first = client;
    (void)pthread_mutex_unlock(&c->mutex);
    return client;
}

void clients_remove(struct clients *c, struct client *client)
{
    if (client == NULL)
        return;
    (void)pthread_mutex_lock(&c->mutex);
    if (client->next != NULL)
        client->next->previous = client->previous;
    if (client->previous != NULL)
        client->previous->next = client->next;
    else
        c->first = client->next;
    (void)pthread_mutex_unlock(&c->mutex);
    free(client);
}

static void allow(struct clients *c, struct client *client, double seconds)
{
    if (client == NULL)
        return;
    (void)pthread_mutex_lock(&c->mutex);
    client->deadline = clock_seconds() + seconds;
    (void)pthread_mutex_unlock(&c->mutex);
}

void clients_answering(struct clients *c, struct client *client)
{
    allow(c, client, c->to_receive);
}

void clients_waiting(struct clients *c, struct client *client)
{
    allow(c, client, c->to_send);
}

void clients_shut_late(struct clients *c)
{
    double now = clock_seconds();
    (void)pthread_mutex_lock(&c->mutex);
    for (struct client *client = c->first; client != NULL;
         client = client->next)
        if (client->deadline < now)
            (void)shutdown(client->socket, SHUT_RDWR);
    (void)pthread_mutex_unlock(&c->mutex);
}

bool clients_has_left(int socket)
{
    char next;
    struct pollfd p = {.fd = socket, .events = POLLIN};
    if (poll(&p, 1, 0) <= 0)
        return false;
    return (p.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0 ||
           recv(socket, &next, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}
