/* SPDX-License-Identifier: MIT
 *
 * Rows in a random order that a number describes. Two levels: in each epoch
 * the blocks of 256 rows are permuted (contiguous reads), then the sequence of
 * blocks is cut into reservoirs, each read into memory and permuted row by row.
 * If all rows fit into one reservoir the shuffle is perfect.
 *
 * The order is a function of (seed, row set, block, reservoir size); the state
 * is one number, the rows handed out so far, and seeking costs the reading of
 * one reservoir. One thread.
 */
#ifndef DUMP_SHUFFLE_H
#define DUMP_SHUFFLE_H

#include "dump/split.h"

enum { SHUFFLE_BLOCK_ROWS = 256 };

struct shuffle;

/* Keeps `d` and `rows`. `memory` bounds the reservoir in bytes (at least one
 * block is held); rows are kept in the dump's own dtype. */
int shuffle_open(struct shuffle **out, const struct dump *d, int layer,
                 const struct row_set *rows, uint64_t seed, uint64_t memory,
                 struct err *e);
void shuffle_close(struct shuffle **s);

/* The next n rows (n, heads × d_head); goes on into the next epoch. */
int shuffle_next(struct shuffle *s, float *out, size_t n, struct err *e);

/* Rows handed out since the beginning, and going there. */
uint64_t shuffle_position(const struct shuffle *s);
int shuffle_seek(struct shuffle *s, uint64_t position, struct err *e);

#endif
