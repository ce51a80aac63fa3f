/* SPDX-License-Identifier: MIT */
#include "encode/ahead.h"

#include <stdlib.h>

static char *batch_of(const struct ahead *a, size_t batch)
{
    return a->rows + batch % AHEAD_BATCHES * AHEAD_ROWS * a->row_bytes;
}

/* Waits until a batch is free; false if no more is wanted. The one in use is
 * not free. */
static bool wait_for_room(struct ahead *a)
{
    pthread_mutex_lock(&a->lock);
    while (!a->stop && a->made + 1 - a->taken >= AHEAD_BATCHES)
        pthread_cond_wait(&a->changed, &a->lock);
    bool wanted = !a->stop;
    pthread_mutex_unlock(&a->lock);
    return wanted;
}

static void hand_over(struct ahead *a, int code, size_t n)
{
    pthread_mutex_lock(&a->lock);
    a->n[a->made % AHEAD_BATCHES] = n;
    a->code = code;
    a->done = code != 0 || n == 0;
    if (!a->done)
        a->made++;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

static void *make_batches(void *ctx)
{
    struct ahead *a = ctx;
    while (wait_for_room(a)) {
        size_t n = 0;
        int code = a->fill(a->ctx, batch_of(a, a->made), AHEAD_ROWS, &n, &a->e);
        hand_over(a, code, n);
        if (a->done)
            break;
    }
    return NULL;
}

int ahead_begin(struct ahead *a, ahead_fill *fill, void *ctx, size_t row_bytes,
                bool thread, struct err *e)
{
    *a = (struct ahead){.fill = fill, .ctx = ctx, .row_bytes = row_bytes};
    a->rows = malloc(AHEAD_BATCHES * AHEAD_ROWS * row_bytes);
    if (a->rows == NULL)
        return err_memory(e, "rows", AHEAD_BATCHES * AHEAD_ROWS * row_bytes);
    if (!thread)
        return 0;
    if (pthread_mutex_init(&a->lock, NULL) != 0)
        return 0;
    if (pthread_cond_init(&a->changed, NULL) != 0) {
        (void)pthread_mutex_destroy(&a->lock);
        return 0;
    }
    a->threaded = pthread_create(&a->thread, NULL, make_batches, a) == 0;
    if (!a->threaded) {
        (void)pthread_cond_destroy(&a->changed);
        (void)pthread_mutex_destroy(&a->lock);
    }
    return 0;
}

int ahead_next(void *ctx, const void **rows, size_t *n, struct err *e)
{
    struct ahead *a = ctx;
    *rows = a->rows;
    if (!a->threaded)
        return a->fill(a->ctx, a->rows, AHEAD_ROWS, n, e);
    pthread_mutex_lock(&a->lock);
    while (a->taken == a->made && !a->done)
        pthread_cond_wait(&a->changed, &a->lock);
    bool got = a->taken < a->made;
    *n = got ? a->n[a->taken % AHEAD_BATCHES] : 0;
    *rows = batch_of(a, a->taken);
    a->taken += got;
    int code = got ? 0 : a->code;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
    return code == 0 ? 0 : err_set(e, code, "%s", a->e.msg);
}

void ahead_end(struct ahead *a)
{
    if (a->threaded) {
        pthread_mutex_lock(&a->lock);
        a->stop = true;
        pthread_cond_broadcast(&a->changed);
        pthread_mutex_unlock(&a->lock);
        (void)pthread_join(a->thread, NULL);
        (void)pthread_cond_destroy(&a->changed);
        (void)pthread_mutex_destroy(&a->lock);
    }
    free(a->rows);
    *a = (struct ahead){0};
}
