/* SPDX-License-Identifier: MIT
 *
 * The state of the database that is shown: what was opened, until it is opened
 * anew because the file has changed or was replaced. Requests hold the state
 * that they began with; one that nobody holds any more is closed. Any number of
 * threads. A thread of its own reads ahead what most answers need, so that none
 * of them waits for a list of 300,000 features to be read and sorted.
 */
#ifndef VIEWER_STATE_H
#define VIEWER_STATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "viewer/call.h"

struct state {
    struct call_site api;
    int holders; /* with the one that it is current */
    pthread_t reader_ahead;
    bool reads_ahead; /* that thread is there to be joined */
};

struct states {
    const char *path;
    struct call_site common; /* what all states share; no pool, no catalog */
    pthread_mutex_t mutex;
    struct state *current;
    bool stopped;
};

/* Opens the first. Keeps path and what `common` points to. */
int states_open(struct states *all, const char *path,
                const struct call_site *common, struct err *e);
/* All must have been dropped. Accepts one that failed to open. */
void states_close(struct states *all);

struct state *states_hold(struct states *all);
void states_drop(struct states *all, struct state *state);

/* Opens the file as it is now; if that fails, the old state stays. */
int states_renew(struct states *all, struct err *e);

/* Makes queries under way fail, also those of states to come. */
void states_interrupt(struct states *all);

#endif
