/* SPDX-License-Identifier: MIT
 *
 * Rows that one thread makes while another writes them: a source
 * (store/writer.h) that is a few batches ahead of who takes from it. The rows
 * are the same with and without the thread.
 *
 * Call order: begin; next until it gives 0 rows or fails; end.
 */
#ifndef ENCODE_AHEAD_H
#define ENCODE_AHEAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Makes the next rows, up to `max`, and sets *n; 0 for no more. */
typedef int ahead_fill(void *ctx, void *rows, size_t max, size_t *n,
                       struct err *e);

enum { AHEAD_BATCHES = 4, AHEAD_ROWS = 8192 };

struct ahead {
    ahead_fill *fill;
    void *ctx;
    size_t row_bytes;
    char *rows;              /* (AHEAD_BATCHES, AHEAD_ROWS) */
    size_t n[AHEAD_BATCHES]; /* rows of each batch */
    bool threaded;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    size_t made, taken; /* batches; the last one taken is in use */
    bool stop, done;    /* done: nothing follows what was made */
    int code;           /* why, or 0 */
    struct err e;
};

/* Without a `thread` of its own, rows are made when they are asked for. */
int ahead_begin(struct ahead *a, ahead_fill *fill, void *ctx, size_t row_bytes,
                bool thread, struct err *e);

/* As store_source.next; ctx is the struct ahead. */
int ahead_next(void *ctx, const void **rows, size_t *n, struct err *e);

/* Waits for the thread. Accepts a zeroed one. */
void ahead_end(struct ahead *a);

#endif
