/* SPDX-License-Identifier: MIT
 *
 * Work that a thread of its own does while the caller goes on with something
 * else. It must not touch what the caller changes meanwhile, and its result
 * must not depend on when it runs.
 *
 * Call order: begin; wait, once; end at any point, also without a begin if it
 * is zeroed.
 */
#ifndef ENCODE_BACKGROUND_H
#define ENCODE_BACKGROUND_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct background;

/* The work. Says now and then how far it is with background_step. */
typedef int background_fn(void *ctx, struct background *b, struct err *e);

struct background {
    background_fn *run;
    void *ctx;
    pthread_t thread;
    bool threaded; /* the thread is there */
    atomic_bool done, stop;
    atomic_uint_fast64_t steps;
    int code;
    struct err e;
};

/* Begins `run`; with `later` only when it is waited for, for whom one thread
 * has to be enough. Keeps ctx. */
void background_begin(struct background *b, background_fn *run, void *ctx,
                      bool later);

/* Waits for the end and returns what `run` did. Shows progress meanwhile, as so
 * many steps of `total`, unless `what` is NULL. */
int background_wait(struct background *b, const char *what, const char *unit,
                    uint64_t total, struct err *e);

/* Has it stop, and forgets the result. */
void background_end(struct background *b);

/* From within the work: so many steps more are done. ERR_INTERRUPTED if it is
 * to stop, also after Ctrl-C. */
int background_step(struct background *b, uint64_t steps, struct err *e);

#endif
