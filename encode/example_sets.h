/* SPDX-License-Identifier: MIT
 *
 * Examples of a feature drawn at random: from intervals of its activations of
 * equal width or of equal number, from all its active tokens, and from the
 * tokens at which it is not active (store/schema.sql, example_set).
 *
 * Each token of the dump gets a random number, a function of (seed, feature,
 * token, kind); of a set those with the smallest are taken, of tokens with the
 * same text (text_key.h) only the first. That is drawing one after another,
 * each of the tokens left being as likely, and passing over texts that are
 * there already. A set has fewer examples than asked for where its tokens do
 * not have as many texts.
 *
 * Tokens at which a feature is silent are too many to give each a number. If
 * the feature is silent at more than half of them, tokens are drawn from all
 * and passed over where it is active; that comes to the same.
 *
 * Call order: begin; wait, once, before anything is read; end at any point.
 */
#ifndef ENCODE_EXAMPLE_SETS_H
#define ENCODE_EXAMPLE_SETS_H

#include "encode/background.h"
#include "encode/best.h"
#include "encode/scan.h"

enum {
    EXAMPLE_INTERVALS = 5,
    /* The slots of a feature. */
    EXAMPLE_WIDTH = 0,
    EXAMPLE_COUNT = EXAMPLE_WIDTH + EXAMPLE_INTERVALS,
    EXAMPLE_RANDOM = EXAMPLE_COUNT + EXAMPLE_INTERVALS,
    EXAMPLE_SILENT,
    EXAMPLE_SLOTS,
};

/* A feature's intervals, and how far its sets have come. */
struct example_feature {
    /* Interval i is what lies above edge i and is at most edge i + 1. */
    double width[EXAMPLE_INTERVALS + 1], count[EXAMPLE_INTERVALS + 1];
    uint32_t tokens[EXAMPLE_SLOTS]; /* that belong to each set */
};

struct example_sets {
    size_t m;
    struct example_feature *features; /* (m) */
    struct best drawn;                /* slot: feature × EXAMPLE_SLOTS + slot;
                                         tie: the activation */
    struct scan *scan;
    struct background background;
    struct arena arena;
};

/* Begins to choose, by a thread of its own if the team of `s`, which has run,
 * has more than one. Keeps `s`, whose codes it reads once more and leaves at
 * their beginning. Cost: 40 ns an activation. */
void example_sets_begin(struct example_sets *x, struct scan *s);

/* Waits until the sets are there, once; a progress bar. */
int example_sets_wait(struct example_sets *x, struct err *e);

/* Accepts a zeroed one, and one that has not been waited for. */
void example_sets_end(struct example_sets *x);

#endif
