/* SPDX-License-Identifier: MIT */
#include "viewer/gate.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void gate_init(struct gate *g)
{
    pthread_condattr_t clock;
    memset(g, 0, sizeof *g);
    (void)pthread_mutex_init(&g->mutex, NULL);
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&g->left, &clock);
    (void)pthread_condattr_destroy(&clock);
}

void gate_destroy(struct gate *g)
{
    (void)pthread_cond_destroy(&g->left);
    (void)pthread_mutex_destroy(&g->mutex);
}

/* A free place, or -1: none, or the client has one. */
static int find_place(const struct gate *g, const char *client)
{
    int free_place = -1;
    for (int i = 0; i < GATE_PLACES; i++) {
        if (strcmp(g->inside[i], client) == 0)
            return -1;
        if (g->inside[i][0] == '\0')
            free_place = i;
    }
    return free_place;
}

static struct timespec after(double seconds)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    long long ns = t.tv_nsec + (long long)(seconds * 1e9);
    t.tv_sec += (time_t)(ns / 1000000000);
    t.tv_nsec = (long)(ns % 1000000000);
    return t;
}

/* With the mutex held. */
static int wait_for_place(struct gate *g, const char *client, double seconds)
{
    struct timespec end = after(seconds);
    int place, late = 0;
    g->waiting++;
    while ((place = find_place(g, client)) < 0 && late == 0)
        late = pthread_cond_timedwait(&g->left, &g->mutex, &end);
    g->waiting--;
    return place;
}

int gate_enter(struct gate *g, const char *client, double seconds)
{
    char name[GATE_NAME];
    /* A name is never empty, which means a free place. */
    (void)snprintf(name, sizeof name, "@%s", client);
    (void)pthread_mutex_lock(&g->mutex);
    int place = find_place(g, name);
    if (place < 0 && g->waiting < GATE_WAITING)
        place = wait_for_place(g, name, seconds);
    if (place >= 0)
        memcpy(g->inside[place], name, sizeof name);
    (void)pthread_mutex_unlock(&g->mutex);
    return place;
}

void gate_leave(struct gate *g, int place)
{
    (void)pthread_mutex_lock(&g->mutex);
    g->inside[place][0] = '\0';
    (void)pthread_cond_broadcast(&g->left);
    (void)pthread_mutex_unlock(&g->mutex);
}
