/* SPDX-License-Identifier: MIT */
#include "store/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "base/clock.h"
#include "store/database.h"
#include "store/tables.h"

/* How long the queries of one loan may take, and after how many steps of
 * SQLite's machine the clock is looked at (a fraction of a millisecond). */
static const double LIMIT_SECONDS = 20;
enum { STEPS_BETWEEN_LOOKS = 20000 };

/* Bytes of one value; the longest that encode writes is an SAE's config. */
enum { VALUE_MAX = 16 << 20 };

struct connection {
    struct pool_reader reader;    /* first, so that a loan leads back here */
    struct sqlite3_stmt *version; /* asks for a number that changes when
                                     another program changes the file, */
    int64_t opened;               /* and its value when the file was opened */
    struct connection *next;      /* in the list of free ones */
    const struct pool *pool;
    double deadline;
};

struct pool {
    const char *path;
    struct connection *all;
    int n;
    struct stat file;
    atomic_bool interrupted;
    pthread_mutex_t mutex;
    pthread_cond_t given;
    struct connection *free;
};

static int is_late(void *context)
{
    const struct connection *c = context;
    return atomic_load(&c->pool->interrupted) || clock_seconds() > c->deadline;
}

static int run(struct connection *c, const char *statement, struct err *e)
{
    struct queries *q = &c->reader.queries;
    if (sqlite3_exec(q->db, statement, NULL, NULL, NULL) != SQLITE_OK)
        return store_error(q->db, "read", q->path, e);
    return 0;
}

static int read_version(int64_t *out, struct connection *c, struct err *e)
{
    int code = 0;
    if (sqlite3_step(c->version) == SQLITE_ROW)
        *out = sqlite3_column_int64(c->version, 0);
    else
        code = store_error(c->reader.queries.db, "read", c->reader.queries.path,
                           e);
    (void)sqlite3_reset(c->version);
    return code;
}

/* What was read when the file was opened (catalog.h) is not true of another
 * state. */
static int check_unchanged(struct connection *c, struct err *e)
{
    int64_t now = 0;
    TRY(read_version(&now, c, e));
    if (now == c->opened)
        return 0;
    return err_set(e, ERR_INPUT,
                   "another program has changed %s; reload the page to see "
                   "what is there now",
                   c->reader.queries.path);
}

static int open_one(struct connection *c, const char *path, struct err *e)
{
    sqlite3 *db;
    TRY(store_open_read(&db, path, e));
    c->reader.queries = (struct queries){.db = db, .path = path};
    (void)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, VALUE_MAX);
    /* 10 MB: the inner pages of the large trees stay in memory. Twice as much
     * makes a feature's page 3 % cheaper. */
    TRY(run(c, "PRAGMA query_only = 1; PRAGMA cache_size = -10000", e));
    if (c == c->pool->all)
        TRY(store_check_tables(db, path, e));
    TRY(queries_prepare(&c->reader.queries, db, path, e));
    TRY(store_prepare(&c->version, db, path, "PRAGMA data_version", e));
    TRY(read_version(&c->opened, c, e));
    sqlite3_progress_handler(db, STEPS_BETWEEN_LOOKS, is_late, c);
    return 0;
}

/* Accepts one that was never opened. */
static void close_one(struct connection *c)
{
    sqlite3 *db = c->reader.queries.db;
    queries_finalize(&c->reader.queries);
    (void)sqlite3_finalize(c->version);
    (void)sqlite3_close(db);
}

static int same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
           a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int open_all(struct pool *pool, const char *path, struct err *e)
{
    if (stat(path, &pool->file) != 0)
        return err_errno(e, "cannot open %s", path);
    for (int i = 0; i < pool->n; i++) {
        struct connection *c = &pool->all[i];
        *c = (struct connection){.pool = pool, .next = pool->free};
        pool->free = c;
        TRY(open_one(c, path, e));
    }
    struct stat now;
    if (stat(path, &now) != 0 || !same_file(&now, &pool->file))
        return err_set(e, ERR_INPUT,
                       "%s was replaced while it was being opened; try again",
                       path);
    return 0;
}

int pool_open(struct pool **out, const char *path, int readers, struct err *e)
{
    struct pool *pool = calloc(1, sizeof *pool);
    struct connection *all = calloc((size_t)readers, sizeof *all);
    *out = NULL;
    if (pool == NULL || all == NULL) {
        free(pool);
        free(all);
        return err_memory(e, "the connections", sizeof *all);
    }
    pool->path = path;
    pool->all = all;
    pool->n = readers;
    (void)pthread_mutex_init(&pool->mutex, NULL);
    (void)pthread_cond_init(&pool->given, NULL);
    int code = open_all(pool, path, e);
    if (code != 0)
        pool_close(&pool);
    *out = pool;
    return code;
}

void pool_close(struct pool **pool)
{
    if (*pool == NULL)
        return;
    for (int i = 0; i < (*pool)->n; i++)
        close_one(&(*pool)->all[i]);
    (void)pthread_cond_destroy(&(*pool)->given);
    (void)pthread_mutex_destroy(&(*pool)->mutex);
    free((*pool)->all);
    free(*pool);
    *pool = NULL;
}

static void put_back(struct pool *pool, struct connection *c)
{
    (void)pthread_mutex_lock(&pool->mutex);
    c->next = pool->free;
    pool->free = c;
    (void)pthread_cond_signal(&pool->given);
    (void)pthread_mutex_unlock(&pool->mutex);
}

void pool_give(struct pool *pool, struct pool_reader *reader)
{
    struct connection *c = (struct connection *)reader;
    (void)run(c, "ROLLBACK", NULL);
    put_back(pool, c);
}

int pool_take(struct pool_reader **out, struct pool *pool, struct err *e)
{
    *out = NULL;
    (void)pthread_mutex_lock(&pool->mutex);
    while (pool->free == NULL)
        (void)pthread_cond_wait(&pool->given, &pool->mutex);
    struct connection *c = pool->free;
    pool->free = c->next;
    (void)pthread_mutex_unlock(&pool->mutex);
    c->deadline = clock_seconds() + LIMIT_SECONDS;
    int code = run(c, "BEGIN", e);
    if (code == 0)
        code = check_unchanged(c, e);
    if (code != 0)
        pool_give(pool, &c->reader);
    else
        *out = &c->reader;
    return code;
}

bool pool_is_outdated(const struct pool *pool)
{
    struct stat now;
    return stat(pool->path, &now) != 0 || !same_file(&now, &pool->file);
}

void pool_interrupt(struct pool *pool)
{
    atomic_store(&pool->interrupted, true);
}

int64_t pool_bytes(const struct pool *pool)
{
    return pool->file.st_size;
}

/* FNV-1a over what changes with a file. */
uint64_t pool_fingerprint(const struct pool *pool)
{
    const uint64_t parts[] = {
        (uint64_t)pool->file.st_dev, (uint64_t)pool->file.st_ino,
        (uint64_t)pool->file.st_size, (uint64_t)pool->file.st_mtim.tv_sec,
        (uint64_t)pool->file.st_mtim.tv_nsec};
    uint64_t hash = 0xcbf29ce484222325U;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (int shift = 0; shift < 64; shift += 8)
            hash = (hash ^ (parts[i] >> shift & 0xff)) * 0x100000001b3U;
    return hash;
}
