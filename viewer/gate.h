/* SPDX-License-Identifier: MIT
 *
 * Who may make the server work for long: a few at a time, one of each client.
 * The others wait a little, as the one before may just have left; what waits is
 * bounded too, so that most connections are always free for browsing. Any
 * number of threads.
 */
#ifndef VIEWER_GATE_H
#define VIEWER_GATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    GATE_PLACES = 2,
    GATE_WAITING = 4,
    GATE_NAME = 64, /* of a client, with its zero */
};

struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t left;
    char inside[GATE_PLACES][GATE_NAME]; /* empty: free */
    int waiting;
};

void gate_init(struct gate *g);
void gate_destroy(struct gate *g);

/* Takes a place for that client; its number, or -1: none within the seconds, or
 * too many wait already. */
int gate_enter(struct gate *g, const char *client, double seconds);
void gate_leave(struct gate *g, int place);

#endif
