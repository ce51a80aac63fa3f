/* SPDX-License-Identifier: MIT
 *
 * Rows in a random order that a number describes. Two levels: in each epoch
 * the blocks of 256 tokens are permuted (contiguous reads), then the sequence
 * of blocks is cut into reservoirs, each read into memory and its rows
 * permuted. If all rows fit into one reservoir the shuffle is perfect, and they
 * are read once for all epochs. Else there are two, and a thread of its own
 * fills one while rows are taken from the other.
 *
 * The order is a function of (seed, row set, view, block, reservoir size); the
 * state is one number, the rows handed out so far, and seeking costs the
 * reading of one reservoir. Rows are asked for by one thread.
 */
#ifndef DUMP_SHUFFLE_H
#define DUMP_SHUFFLE_H

#include "dump/view.h"

enum { SHUFFLE_BLOCK_ROWS = 256 };

struct shuffle;

/* Keeps `view` and `rows`. `memory` bounds the reservoirs in bytes (at least
 * one block is held in each); rows are kept in the dump's own dtype. */
int shuffle_open(struct shuffle **out, const struct view *view,
                 const struct row_set *rows, uint64_t seed, uint64_t memory,
                 struct err *e);
/* Reading ahead ends at its next block. */
void shuffle_close(struct shuffle **s);

/* The next n rows (n, view width); goes on into the next epoch. */
int shuffle_next(struct shuffle *s, float *out, size_t n, struct err *e);

/* Rows handed out since the beginning, and going there. */
uint64_t shuffle_position(const struct shuffle *s);
void shuffle_seek(struct shuffle *s, uint64_t position);

/* Bytes that the reservoirs take. */
uint64_t shuffle_bytes(const struct shuffle *s);
/* Seconds in which shuffle_next waited for a reservoir, for reports: without
 * the time for taking rows out of it, and where one reservoir holds all, that
 * of reading it and of each epoch's order. */
double shuffle_waited(const struct shuffle *s);

#endif
