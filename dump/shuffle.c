/* SPDX-License-Identifier: MIT */
#include "dump/shuffle.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/rng.h"

/* A stretch of an epoch in memory, and the order in which its rows are handed
 * out. Row u of it is part u % parts of token u / parts. */
struct reservoir {
    uint64_t epoch, number; /* UINT64_MAX: nothing yet */
    uint64_t held;          /* tokens in memory */
    unsigned char *raw;     /* [layers][tokens] rows, block after block */
    uint64_t *tokens;       /* [tokens] their numbers in the dump */
    uint64_t *order;        /* [tokens · parts] */
};

/* The order of the blocks in an epoch. */
struct block_order {
    uint64_t epoch;    /* UINT64_MAX: none yet */
    uint64_t *block;   /* [n_blocks] */
    uint64_t short_at; /* where in it the last block stands */
};

/* Fills reservoirs ahead of time. */
struct filler {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool running;
    atomic_bool quit;         /* looked at between reads */
    struct reservoir *wanted; /* to be filled, or being filled; NULL: idle */
    uint64_t epoch, number;
    struct block_order blocks;
};

struct shuffle {
    const struct view *view;
    const struct row_set *rows;
    uint64_t seed;
    size_t row_bytes;       /* of a token in one layer */
    uint64_t total;         /* tokens of an epoch */
    uint64_t n_blocks;      /* the last one may be short */
    uint64_t per_reservoir; /* blocks */
    uint64_t n_reservoirs;
    uint64_t most;     /* tokens of a reservoir at most */
    uint64_t position; /* of the next row in the whole sequence */
    struct block_order blocks;
    struct reservoir reservoir[2], *now;
    float *z; /* (view_z_width) one row on its way */
    struct filler filler;
    double waited;
    struct arena arena;
};

/* ---- opening ---- */

/* Blocks for the memory given; a token costs its bytes, its number, and a
 * number for each row that it gives. */
static uint64_t blocks_for(const struct shuffle *s, uint64_t memory)
{
    uint64_t token_bytes = s->row_bytes * s->view->layers +
                           sizeof(uint64_t) * (1 + s->view->parts);
    uint64_t blocks = memory / (SHUFFLE_BLOCK_ROWS * token_bytes);
    if (blocks >= s->n_blocks)
        return s->n_blocks;
    /* Two reservoirs share the memory. */
    return blocks / 2 > 0 ? blocks / 2 : 1;
}

static int reservoir_init(struct shuffle *s, struct reservoir *r, struct err *e)
{
    static const char what[] = "shuffled rows";
    r->epoch = r->number = UINT64_MAX;
    TRY(arena_get(&s->arena, &r->raw, s->most * s->view->layers, s->row_bytes,
                  what, e));
    TRY(arena_get(&s->arena, &r->tokens, s->most, sizeof *r->tokens, what, e));
    return arena_get(&s->arena, &r->order, s->most * s->view->parts,
                     sizeof *r->order, what, e);
}

static int blocks_init(struct shuffle *s, struct block_order *b, struct err *e)
{
    b->epoch = UINT64_MAX;
    return arena_get(&s->arena, &b->block, s->n_blocks, sizeof *b->block,
                     "order of blocks", e);
}

static int make_room(struct shuffle *s, struct err *e)
{
    TRY(arena_get(&s->arena, &s->z, view_z_width(s->view), sizeof *s->z, "row",
                  e));
    TRY(blocks_init(s, &s->blocks, e));
    TRY(blocks_init(s, &s->filler.blocks, e));
    /* No overflow: all rows together lie in a file that is mapped. */
    s->most = s->per_reservoir * SHUFFLE_BLOCK_ROWS;
    if (s->most > s->total)
        s->most = s->total;
    for (int i = 0; i < (s->n_reservoirs > 1 ? 2 : 1); i++)
        TRY(reservoir_init(s, &s->reservoir[i], e));
    return 0;
}

static void *fill_ahead(void *shuffle);

static int start_filler(struct shuffle *s, struct err *e)
{
    struct filler *f = &s->filler;
    bool lock = pthread_mutex_init(&f->lock, NULL) == 0;
    bool changed = lock && pthread_cond_init(&f->changed, NULL) == 0;
    f->running =
        changed && pthread_create(&f->thread, NULL, fill_ahead, s) == 0;
    if (f->running)
        return 0;
    if (changed)
        pthread_cond_destroy(&f->changed);
    if (lock)
        pthread_mutex_destroy(&f->lock);
    return err_set(e, ERR_SYSTEM, "cannot start a thread for reading");
}

int shuffle_open(struct shuffle **out, const struct view *view,
                 const struct row_set *rows, uint64_t seed, uint64_t memory,
                 struct err *e)
{
    *out = NULL;
    const struct dump_info *info = dump_info(view->dump);
    if (row_set_total(rows) == 0)
        return err_set(e, ERR_INPUT, "%s: no rows to shuffle", info->path);
    struct shuffle *s = calloc(1, sizeof *s);
    if (s == NULL)
        return err_memory(e, "shuffle", sizeof *s);
    s->view = view;
    s->rows = rows;
    s->seed = seed;
    s->row_bytes =
        (size_t)info->heads * (size_t)info->d_head * dtype_size(info->dtype);
    s->total = row_set_total(rows);
    s->n_blocks = (s->total - 1) / SHUFFLE_BLOCK_ROWS + 1;
    s->per_reservoir = blocks_for(s, memory);
    s->n_reservoirs = (s->n_blocks - 1) / s->per_reservoir + 1;
    int code = make_room(s, e);
    if (code == 0 && s->n_reservoirs > 1)
        code = start_filler(s, e);
    if (code != 0)
        shuffle_close(&s);
    *out = s;
    return code;
}

void shuffle_close(struct shuffle **shuffle)
{
    struct shuffle *s = *shuffle;
    if (s == NULL)
        return;
    if (s->filler.running) {
        pthread_mutex_lock(&s->filler.lock);
        atomic_store(&s->filler.quit, true);
        pthread_cond_broadcast(&s->filler.changed);
        pthread_mutex_unlock(&s->filler.lock);
        pthread_join(s->filler.thread, NULL);
        pthread_mutex_destroy(&s->filler.lock);
        pthread_cond_destroy(&s->filler.changed);
    }
    arena_free(&s->arena);
    free(s);
    *shuffle = NULL;
}

uint64_t shuffle_bytes(const struct shuffle *s)
{
    return s->arena.bytes;
}

double shuffle_waited(const struct shuffle *s)
{
    return s->waited;
}

/* ---- the order ---- */

static void order_blocks(const struct shuffle *s, struct block_order *b,
                         uint64_t epoch)
{
    if (b->epoch == epoch)
        return;
    struct rng r = rng_at(s->seed, RNG_BLOCKS, (uint32_t)epoch);
    rng_permutation(&r, b->block, s->n_blocks);
    b->short_at = 0;
    while (b->block[b->short_at] != s->n_blocks - 1)
        b->short_at++;
    b->epoch = epoch;
}

/* Tokens of the epoch before its `blocks`-th block. */
static uint64_t tokens_before(const struct shuffle *s,
                              const struct block_order *b, uint64_t blocks)
{
    uint64_t missing = s->n_blocks * SHUFFLE_BLOCK_ROWS - s->total;
    return blocks * SHUFFLE_BLOCK_ROWS - (b->short_at < blocks ? missing : 0);
}

/* Blocks of an epoch before a reservoir. */
static uint64_t blocks_before(const struct shuffle *s, uint64_t reservoir)
{
    uint64_t blocks = reservoir * s->per_reservoir;
    return blocks < s->n_blocks ? blocks : s->n_blocks;
}

/* ---- filling a reservoir ---- */

/* Reads one block behind the tokens that are held. */
static void hold_block(const struct shuffle *s, struct reservoir *r,
                       uint64_t block)
{
    uint64_t first = block * SHUFFLE_BLOCK_ROWS;
    uint64_t n = s->total - first < SHUFFLE_BLOCK_ROWS ? s->total - first
                                                       : SHUFFLE_BLOCK_ROWS;
    while (n > 0) {
        uint64_t run, token = row_set_at(s->rows, first, &run);
        size_t count = run < n ? (size_t)run : (size_t)n;
        for (size_t l = 0; l < s->view->layers; l++)
            dump_read_raw(s->view->dump, s->view->layer[l], token, count,
                          r->raw + (l * s->most + r->held) * s->row_bytes);
        for (size_t i = 0; i < count; i++)
            r->tokens[r->held + i] = token + i;
        r->held += count;
        first += count;
        n -= count;
    }
}

/* Where the shuffle is closed meanwhile, nobody takes rows: it stays unfilled.
 */
static void fill(const struct shuffle *s, struct reservoir *r,
                 struct block_order *b, uint64_t epoch, uint64_t number)
{
    order_blocks(s, b, epoch);
    uint64_t end = blocks_before(s, number + 1);
    r->held = 0;
    for (uint64_t i = blocks_before(s, number); i < end; i++) {
        if (atomic_load(&s->filler.quit))
            return;
        hold_block(s, r, b->block[i]);
    }
    uint64_t lane = epoch * s->n_reservoirs + number;
    struct rng rng = rng_at(s->seed, RNG_RESERVOIR, (uint32_t)lane);
    rng_permutation(&rng, r->order, r->held * s->view->parts);
    r->epoch = epoch;
    r->number = number;
}

/* One reservoir holds all: it is read once, block after block as they lie, and
 * each epoch is a new order of its rows. */
static void fill_once(struct shuffle *s, uint64_t epoch)
{
    struct reservoir *r = &s->reservoir[0];
    if (r->epoch == UINT64_MAX)
        for (uint64_t i = 0; i < s->n_blocks; i++)
            hold_block(s, r, i);
    struct rng rng = rng_at(s->seed, RNG_RESERVOIR, (uint32_t)epoch);
    rng_permutation(&rng, r->order, r->held * s->view->parts);
    r->epoch = epoch;
    r->number = 0;
    s->now = r;
}

static void *fill_ahead(void *shuffle)
{
    struct shuffle *s = shuffle;
    struct filler *f = &s->filler;
    pthread_mutex_lock(&f->lock);
    while (!atomic_load(&f->quit)) {
        if (f->wanted == NULL) {
            pthread_cond_wait(&f->changed, &f->lock);
            continue;
        }
        pthread_mutex_unlock(&f->lock);
        fill(s, f->wanted, &f->blocks, f->epoch, f->number);
        pthread_mutex_lock(&f->lock);
        f->wanted = NULL;
        pthread_cond_broadcast(&f->changed);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

/* Waits until the filler is idle. */
static void await_filler(struct shuffle *s)
{
    struct filler *f = &s->filler;
    pthread_mutex_lock(&f->lock);
    while (f->wanted != NULL)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

/* Has the reservoir filled that is not in use. */
static void ask_filler(struct shuffle *s, uint64_t epoch, uint64_t number)
{
    struct filler *f = &s->filler;
    pthread_mutex_lock(&f->lock);
    f->wanted =
        s->now == &s->reservoir[0] ? &s->reservoir[1] : &s->reservoir[0];
    f->epoch = epoch;
    f->number = number;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

/* Makes the reservoir the one in use and has the next one filled. */
static void hold_reservoir(struct shuffle *s, uint64_t epoch, uint64_t number)
{
    await_filler(s);
    struct reservoir *found = NULL;
    for (int i = 0; i < 2; i++)
        if (s->reservoir[i].epoch == epoch && s->reservoir[i].number == number)
            found = &s->reservoir[i];
    if (found == NULL) {
        ask_filler(s, epoch, number);
        await_filler(s);
        found =
            s->now == &s->reservoir[0] ? &s->reservoir[1] : &s->reservoir[0];
    }
    s->now = found;
    bool last = number + 1 == s->n_reservoirs;
    ask_filler(s, last ? epoch + 1 : epoch, last ? 0 : number + 1);
}

/* Brings the reservoir of `position` into memory; the row's number in its
 * order. */
static uint64_t hold_position(struct shuffle *s)
{
    uint64_t rows = s->total * s->view->parts;
    uint64_t epoch = s->position / rows, in_epoch = s->position % rows;
    uint64_t number = 0, before = 0;
    if (s->n_reservoirs > 1) {
        uint64_t token = in_epoch / s->view->parts;
        order_blocks(s, &s->blocks, epoch);
        /* Reservoirs behind the short block begin earlier than full blocks
         * would have it, so the first guess may be one too low. */
        number = token / (s->per_reservoir * SHUFFLE_BLOCK_ROWS);
        if (tokens_before(s, &s->blocks, blocks_before(s, number + 1)) <= token)
            number++;
        before = tokens_before(s, &s->blocks, blocks_before(s, number)) *
                 s->view->parts;
    }
    if (s->now == NULL || s->now->epoch != epoch || s->now->number != number) {
        double begun = clock_seconds();
        if (s->n_reservoirs > 1)
            hold_reservoir(s, epoch, number);
        else
            fill_once(s, epoch);
        s->waited += clock_seconds() - begun;
    }
    return in_epoch - before;
}

/* ---- reading ---- */

static int convert_row(const struct shuffle *s, uint64_t row, float *out,
                       struct err *e)
{
    const struct view *v = s->view;
    const struct reservoir *r = s->now;
    uint64_t token = row / v->parts, part = row % v->parts;
    float *at = s->z;
    for (size_t i = 0; i < v->pieces; i++) {
        const struct view_piece *p = &v->piece[part * v->pieces + i];
        TRY(dump_convert_part(v->dump, v->layer[p->layer],
                              r->raw +
                                  (p->layer * s->most + token) * s->row_bytes,
                              r->tokens[token], p->first, p->n, at, e));
        at += p->n;
    }
    view_finish_row(v, part, s->z, out);
    return 0;
}

int shuffle_next(struct shuffle *s, float *out, size_t n, struct err *e)
{
    while (n > 0) {
        uint64_t at = hold_position(s);
        uint64_t rows = s->now->held * s->view->parts;
        for (; n > 0 && at < rows; at++, n--) {
            TRY(convert_row(s, s->now->order[at], out, e));
            out += s->view->width;
            s->position++;
        }
    }
    return 0;
}

uint64_t shuffle_position(const struct shuffle *s)
{
    return s->position;
}

void shuffle_seek(struct shuffle *s, uint64_t position)
{
    s->position = position;
}
