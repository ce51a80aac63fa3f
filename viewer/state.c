/* SPDX-License-Identifier: MIT */
#include "viewer/state.h"

#include <stdlib.h>

enum { READERS = 4 }; /* connections to the database */

static void close_state(struct state *s)
{
    if (s->reads_ahead) {
        pool_interrupt(s->api.pool);
        (void)pthread_join(s->reader_ahead, NULL);
    }
    catalog_close(&s->api.catalog);
    head_shares_free(&s->api.shares);
    vocabulary_free(&s->api.vocabulary);
    tops_free(&s->api.tops);
    pool_close(&s->api.pool);
    free(s);
}

/* Whatever fails here fails again, and is told, where it is asked for. */
static void *read_ahead(void *context)
{
    const struct call_site *api = context;
    const struct catalog_feature *features;
    const uint32_t *order;
    struct pool_reader *reader;
    size_t n;
    struct err e = {0};
    if (pool_take(&reader, api->pool, &e) != 0)
        return NULL;
    (void)vocabulary_fill(api->vocabulary, &reader->queries, &e);
    int code =
        catalog_features(&features, &n, api->catalog, &reader->queries, &e);
    for (int o = 0; code == 0 && o < CATALOG_ORDERS; o++)
        code = catalog_sorted(&order, api->catalog, (enum catalog_order)o, &e);
    if (code == 0)
        (void)head_shares_fill(api->shares, api->catalog, &reader->queries, &e);
    pool_give(api->pool, reader);
    return NULL;
}

static int open_catalog(struct state *s, struct err *e)
{
    struct pool_reader *reader;
    TRY(pool_take(&reader, s->api.pool, e));
    int code = catalog_open(&s->api.catalog, &reader->queries, e);
    pool_give(s->api.pool, reader);
    return code;
}

static int open_state(struct state **out, const struct states *all,
                      struct err *e)
{
    struct state *s = calloc(1, sizeof *s);
    if (s == NULL)
        return err_memory(e, "the database", sizeof *s);
    s->api = all->common;
    s->holders = 1;
    int code = pool_open(&s->api.pool, all->path, READERS, e);
    if (code == 0)
        code = open_catalog(s, e);
    if (code == 0)
        code = vocabulary_new(&s->api.vocabulary, e);
    if (code == 0)
        code = head_shares_new(&s->api.shares, e);
    if (code == 0)
        code = tops_new(&s->api.tops, e);
    if (code != 0) {
        close_state(s);
        return code;
    }
    s->reads_ahead =
        pthread_create(&s->reader_ahead, NULL, read_ahead, &s->api) == 0;
    *out = s;
    return 0;
}

int states_open(struct states *all, const char *path,
                const struct call_site *common, struct err *e)
{
    *all = (struct states){.path = path, .common = *common};
    (void)pthread_mutex_init(&all->mutex, NULL);
    return open_state(&all->current, all, e);
}

void states_close(struct states *all)
{
    if (all->path == NULL)
        return;
    if (all->current != NULL)
        states_drop(all, all->current);
    (void)pthread_mutex_destroy(&all->mutex);
    *all = (struct states){0};
}

struct state *states_hold(struct states *all)
{
    (void)pthread_mutex_lock(&all->mutex);
    struct state *s = all->current;
    s->holders++;
    (void)pthread_mutex_unlock(&all->mutex);
    return s;
}

void states_drop(struct states *all, struct state *state)
{
    (void)pthread_mutex_lock(&all->mutex);
    bool last = --state->holders == 0;
    (void)pthread_mutex_unlock(&all->mutex);
    if (last)
        close_state(state);
}

int states_renew(struct states *all, struct err *e)
{
    struct state *next = NULL;
    TRY(open_state(&next, all, e));
    (void)pthread_mutex_lock(&all->mutex);
    struct state *old = all->current;
    all->current = next;
    if (all->stopped)
        pool_interrupt(next->api.pool);
    (void)pthread_mutex_unlock(&all->mutex);
    states_drop(all, old);
    return 0;
}

void states_interrupt(struct states *all)
{
    if (all->path == NULL)
        return;
    (void)pthread_mutex_lock(&all->mutex);
    all->stopped = true;
    if (all->current != NULL)
        pool_interrupt(all->current->api.pool);
    (void)pthread_mutex_unlock(&all->mutex);
}
