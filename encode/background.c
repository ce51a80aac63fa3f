/* SPDX-License-Identifier: MIT */
#include "encode/background.h"

#include <time.h>

#include "base/interrupt.h"
#include "base/progress.h"

static void *run(void *ctx)
{
    struct background *b = ctx;
    b->code = b->run(b->ctx, b, &b->e);
    atomic_store(&b->done, true);
    return NULL;
}

static void start(struct background *b)
{
    b->threaded = pthread_create(&b->thread, NULL, run, b) == 0;
}

void background_begin(struct background *b, background_fn *work, void *ctx,
                      bool later)
{
    *b = (struct background){.run = work, .ctx = ctx};
    if (!later)
        start(b);
}

static void show_until_done(struct background *b, const char *what,
                            const char *unit, uint64_t total)
{
    const struct timespec moment = {.tv_nsec = 20 * 1000 * 1000};
    struct progress bar;
    if (what == NULL)
        return;
    progress_begin(&bar, what, unit, atomic_load(&b->steps), total);
    while (!atomic_load(&b->done)) {
        (void)nanosleep(&moment, NULL);
        progress_set(&bar, atomic_load(&b->steps), NULL);
    }
    progress_end(&bar);
}

static void join(struct background *b)
{
    if (b->threaded)
        (void)pthread_join(b->thread, NULL);
    b->threaded = false;
}

int background_wait(struct background *b, const char *what, const char *unit,
                    uint64_t total, struct err *e)
{
    if (!b->threaded)
        start(b);
    if (!b->threaded)
        (void)run(b); /* without memory for a thread */
    if (!atomic_load(&b->done))
        show_until_done(b, what, unit, total);
    join(b);
    return b->code == 0 ? 0 : err_set(e, b->code, "%s", b->e.msg);
}

void background_end(struct background *b)
{
    atomic_store(&b->stop, true);
    join(b);
    *b = (struct background){0};
}

int background_step(struct background *b, uint64_t steps, struct err *e)
{
    atomic_fetch_add(&b->steps, steps);
    return atomic_load(&b->stop) || interrupt_requested()
               ? err_set(e, ERR_INTERRUPTED, "interrupted")
               : 0;
}
