/* SPDX-License-Identifier: MIT
 *
 * Workers are started once and wait between loops: awake for a moment, as the
 * next loop of a training step usually comes at once, then asleep. A loop waits
 * only for the workers that have taken part in it. One that the system has not
 * let run yet finds the loop closed and stays out, so that a busy computer
 * costs its share of time and not a time slice per loop (which is what waiting
 * in libgomp costs).
 */
#define _GNU_SOURCE /* sched_getaffinity */
#include "base/team.h"

#include <cblas.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* Seconds awake: some times what it takes to wake a sleeper. */
static const double awake = 50e-6;

static struct {
    pthread_mutex_t turn; /* held by the caller whose loop runs */
    pthread_mutex_t lock; /* of all below but the atomics */
    pthread_cond_t begin, end;
    int workers; /* started */
    bool open;   /* the loop takes workers */
    int joined, wanted, active;
    team_fn *fn;
    void *ctx;
    size_t items;
    atomic_size_t next;      /* item to be taken */
    atomic_uint loops;       /* begun so far */
    atomic_int still_active; /* `active`, to be read without the lock */
} pool = {
    .turn = PTHREAD_MUTEX_INITIALIZER,
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .begin = PTHREAD_COND_INITIALIZER,
    .end = PTHREAD_COND_INITIALIZER,
};

struct team team_make(int threads)
{
    openblas_set_num_threads(1);
    if (threads > 0)
        return (struct team){threads};
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) < 1)
        return (struct team){1};
    return (struct team){CPU_COUNT(&set)};
}

/* Whether `done` came true within the time awake. */
static bool wait_awake(bool (*done)(unsigned seen), unsigned seen)
{
    double until = clock_seconds() + awake;
    do {
        for (int i = 0; i < 64; i++)
            if (done(seen))
                return true;
    } while (clock_seconds() < until);
    return false;
}

static bool loop_began(unsigned seen)
{
    return atomic_load_explicit(&pool.loops, memory_order_acquire) != seen;
}

static bool all_left(unsigned seen)
{
    (void)seen;
    return atomic_load_explicit(&pool.still_active, memory_order_acquire) == 0;
}

static void take_items(int thread)
{
    for (;;) {
        size_t i = atomic_fetch_add(&pool.next, 1);
        if (i >= pool.items)
            return;
        pool.fn(pool.ctx, i, thread);
    }
}

/* With the lock held: takes part in the loop if it takes workers. */
static void join_loop(void)
{
    if (!pool.open || pool.joined >= pool.wanted)
        return;
    int thread = pool.joined++;
    atomic_store(&pool.still_active, ++pool.active);
    pthread_mutex_unlock(&pool.lock);
    take_items(thread);
    pthread_mutex_lock(&pool.lock);
    atomic_store(&pool.still_active, --pool.active);
    if (pool.active == 0)
        pthread_cond_signal(&pool.end);
}

static void *work(void *unused)
{
    (void)unused;
    unsigned seen = 0;
    for (;;) {
        bool began = wait_awake(loop_began, seen);
        pthread_mutex_lock(&pool.lock);
        while (!began && !loop_began(seen))
            pthread_cond_wait(&pool.begin, &pool.lock);
        seen = atomic_load(&pool.loops);
        join_loop();
        pthread_mutex_unlock(&pool.lock);
    }
    return NULL;
}

/* With the lock held. Fewer workers than asked for only make it slower. */
static void have_workers(int wanted)
{
    pthread_attr_t detached;
    if (pool.workers >= wanted || pthread_attr_init(&detached) != 0)
        return;
    (void)pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_t thread;
    while (pool.workers < wanted &&
           pthread_create(&thread, &detached, work, NULL) == 0)
        pool.workers++;
    (void)pthread_attr_destroy(&detached);
}

static void run_in_pool(team_fn *fn, void *ctx, size_t items, int threads)
{
    pthread_mutex_lock(&pool.turn);
    pthread_mutex_lock(&pool.lock);
    have_workers(threads - 1);
    pool.fn = fn;
    pool.ctx = ctx;
    pool.items = items;
    pool.wanted = threads;
    pool.joined = 1; /* the caller, thread 0 */
    pool.open = true;
    atomic_store(&pool.next, 0);
    atomic_fetch_add(&pool.loops, 1);
    pthread_cond_broadcast(&pool.begin);
    pthread_mutex_unlock(&pool.lock);
    take_items(0);
    pthread_mutex_lock(&pool.lock);
    pool.open = false;
    if (pool.active > 0) {
        pthread_mutex_unlock(&pool.lock);
        (void)wait_awake(all_left, 0);
        pthread_mutex_lock(&pool.lock);
    }
    while (pool.active > 0)
        pthread_cond_wait(&pool.end, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
    pthread_mutex_unlock(&pool.turn);
}

void team_run(const struct team *team, team_fn *fn, void *ctx, size_t items)
{
    if (team->threads > 1 && items > 1) {
        bool few = items < (size_t)team->threads;
        run_in_pool(fn, ctx, items, few ? (int)items : team->threads);
        return;
    }
    for (size_t i = 0; i < items; i++)
        fn(ctx, i, 0);
}
