/* SPDX-License-Identifier: MIT */
#include "dump/shuffle.h"

#include <stdlib.h>

#include "base/rng.h"

struct shuffle {
    const struct dump *dump;
    const struct row_set *rows;
    int layer;
    uint64_t seed;
    size_t row_bytes, width;
    uint64_t total;         /* rows of an epoch */
    uint64_t n_blocks;      /* the last one may be short */
    uint64_t per_reservoir; /* blocks */
    uint64_t n_reservoirs;
    uint64_t position; /* of the next row in the whole sequence */

    /* The epoch whose order of blocks is known, and the reservoir that is in
     * memory; UINT64_MAX: none. */
    uint64_t epoch, reservoir;
    uint64_t *blocks;   /* [n_blocks] order of the epoch */
    uint64_t short_at;  /* where in it the last block stands */
    uint64_t held;      /* rows in memory */
    unsigned char *raw; /* [held] rows, block after block */
    uint64_t *numbers;  /* [held] their numbers in the dump */
    uint64_t *order;    /* [held] the order in which they are handed out */
    struct arena arena;
};

/* ---- opening ---- */

/* Blocks for the memory given; a row costs two numbers beside its bytes. */
static uint64_t blocks_for(const struct shuffle *s, uint64_t memory)
{
    uint64_t block_bytes =
        SHUFFLE_BLOCK_ROWS * (s->row_bytes + 2 * sizeof(uint64_t));
    uint64_t blocks = memory / block_bytes;
    if (blocks == 0)
        blocks = 1;
    return blocks < s->n_blocks ? blocks : s->n_blocks;
}

static int make_room(struct shuffle *s, struct err *e)
{
    /* No overflow: all rows together lie in a file that is mapped. */
    uint64_t rows = s->per_reservoir * SHUFFLE_BLOCK_ROWS;
    if (rows > s->total)
        rows = s->total;
    TRY(arena_get(&s->arena, &s->blocks, s->n_blocks, sizeof *s->blocks,
                  "order of blocks", e));
    TRY(arena_get(&s->arena, &s->raw, rows, s->row_bytes, "shuffled rows", e));
    TRY(arena_get(&s->arena, &s->numbers, rows, sizeof *s->numbers,
                  "shuffled rows", e));
    return arena_get(&s->arena, &s->order, rows, sizeof *s->order,
                     "shuffled rows", e);
}

int shuffle_open(struct shuffle **out, const struct dump *d, int layer,
                 const struct row_set *rows, uint64_t seed, uint64_t memory,
                 struct err *e)
{
    *out = NULL;
    const struct dump_info *info = dump_info(d);
    if (row_set_total(rows) == 0)
        return err_set(e, ERR_INPUT, "%s: no rows to shuffle", info->path);
    struct shuffle *s = calloc(1, sizeof *s);
    if (s == NULL)
        return err_memory(e, "shuffle", sizeof *s);
    s->dump = d;
    s->rows = rows;
    s->layer = layer;
    s->seed = seed;
    s->width = (size_t)info->heads * (size_t)info->d_head;
    s->row_bytes = s->width * dtype_size(info->dtype);
    s->total = row_set_total(rows);
    s->n_blocks = (s->total - 1) / SHUFFLE_BLOCK_ROWS + 1;
    s->per_reservoir = blocks_for(s, memory);
    s->n_reservoirs = (s->n_blocks - 1) / s->per_reservoir + 1;
    s->epoch = s->reservoir = UINT64_MAX;
    int code = make_room(s, e);
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
    arena_free(&s->arena);
    free(s);
    *shuffle = NULL;
}

/* ---- filling the reservoir ---- */

static void order_blocks(struct shuffle *s, uint64_t epoch)
{
    struct rng r = rng_at(s->seed, RNG_BLOCKS, (uint32_t)epoch);
    rng_permutation(&r, s->blocks, s->n_blocks);
    s->short_at = 0;
    while (s->blocks[s->short_at] != s->n_blocks - 1)
        s->short_at++;
    s->epoch = epoch;
    s->reservoir = UINT64_MAX;
}

/* Rows of the epoch before its `blocks`-th block. */
static uint64_t rows_before(const struct shuffle *s, uint64_t blocks)
{
    uint64_t missing = s->n_blocks * SHUFFLE_BLOCK_ROWS - s->total;
    return blocks * SHUFFLE_BLOCK_ROWS - (s->short_at < blocks ? missing : 0);
}

/* Blocks of the epoch before a reservoir. */
static uint64_t blocks_before(const struct shuffle *s, uint64_t reservoir)
{
    uint64_t blocks = reservoir * s->per_reservoir;
    return blocks < s->n_blocks ? blocks : s->n_blocks;
}

/* Reads one block behind the rows that are held. */
static void hold_block(struct shuffle *s, uint64_t block)
{
    uint64_t first = block * SHUFFLE_BLOCK_ROWS;
    uint64_t n = s->total - first < SHUFFLE_BLOCK_ROWS ? s->total - first
                                                       : SHUFFLE_BLOCK_ROWS;
    while (n > 0) {
        uint64_t run, row = row_set_at(s->rows, first, &run);
        size_t rows = run < n ? (size_t)run : (size_t)n;
        dump_read_raw(s->dump, s->layer, row, rows,
                      s->raw + s->held * s->row_bytes);
        for (size_t i = 0; i < rows; i++)
            s->numbers[s->held + i] = row + i;
        s->held += rows;
        first += rows;
        n -= rows;
    }
}

static void hold_reservoir(struct shuffle *s, uint64_t reservoir)
{
    uint64_t end = blocks_before(s, reservoir + 1);
    s->held = 0;
    for (uint64_t b = blocks_before(s, reservoir); b < end; b++)
        hold_block(s, s->blocks[b]);
    uint64_t lane = s->epoch * s->n_reservoirs + reservoir;
    struct rng r = rng_at(s->seed, RNG_RESERVOIR, (uint32_t)lane);
    rng_permutation(&r, s->order, s->held);
    s->reservoir = reservoir;
}

/* Brings the reservoir of `position` into memory; *at is the row's number in
 * its order. */
static void hold_position(struct shuffle *s, uint64_t *at)
{
    uint64_t epoch = s->position / s->total, in_epoch = s->position % s->total;
    if (epoch != s->epoch)
        order_blocks(s, epoch);
    /* Reservoirs behind the short block begin earlier than full blocks would
     * have it, so the first guess may be one too low. */
    uint64_t r = in_epoch / (s->per_reservoir * SHUFFLE_BLOCK_ROWS);
    if (rows_before(s, blocks_before(s, r + 1)) <= in_epoch)
        r++;
    if (r != s->reservoir)
        hold_reservoir(s, r);
    *at = in_epoch - rows_before(s, blocks_before(s, r));
}

/* ---- reading ---- */

int shuffle_next(struct shuffle *s, float *out, size_t n, struct err *e)
{
    while (n > 0) {
        uint64_t at;
        hold_position(s, &at);
        for (; n > 0 && at < s->held; at++, n--) {
            uint64_t slot = s->order[at];
            TRY(dump_convert(s->dump, s->layer, s->raw + slot * s->row_bytes,
                             &s->numbers[slot], 1, out, e));
            out += s->width;
            s->position++;
        }
    }
    return 0;
}

uint64_t shuffle_position(const struct shuffle *s)
{
    return s->position;
}

int shuffle_seek(struct shuffle *s, uint64_t position, struct err *e)
{
    (void)e;
    s->position = position;
    return 0;
}
