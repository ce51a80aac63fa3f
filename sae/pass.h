/* SPDX-License-Identifier: MIT
 *
 * The parts of a selection (sae/forward.h), for forward.c alone. A pass goes
 * over a whole batch: the product with its comparison, whose hits lie in pieces
 * of (block of rows, slab of features); merging a row's pieces, rescoring and
 * selecting; the code list.
 *
 * Call order: pass_pack, once a batch; pass_scan and pass_merge, again with a
 * lower floor if that is needed; pass_write. Topk: pass_guess before pass_scan,
 * pass_again before pass_write, pass_learn last.
 */
#ifndef SAE_PASS_H
#define SAE_PASS_H

#include "sae/forward.h"

/* A batch on its way. */
struct pass {
    struct forward *f;
    const struct encoder *enc;
    const struct selection *rule;
    const float *x;
    struct guess *guess; /* topk: or NULL */
    struct encoder_rule scan;
    size_t scanned; /* pieces that are done */
    float cut;      /* candidates whose upper bound is below are let go */
    float last;     /* batch topk: least activation kept */
    struct codes *out;
};

/* Packs the rows. */
void pass_pack(struct pass *p);

/* Topk: begins each row's floor with the guess, if there is one. */
void pass_guess(struct pass *p);

/* Fills the pieces with what p->scan lets through; *total is how many. */
int pass_scan(struct pass *p, size_t *total, struct err *e);

/* From pieces to blocks: of each row what the rule takes of exact values, in
 * order of rows and features. */
int pass_merge(struct pass *p, struct err *e);

/* Topk: selects once more, without a guess, from rows whose k largest the last
 * merge was not certain of. */
int pass_again(struct pass *p, struct err *e);

void pass_again_free(struct forward_again *again);

/* The blocks' hits become codes: all above p->last, and `ties` equal to it, the
 * first in order of rows. What pass_again selected comes between. */
int pass_write(struct pass *p, size_t ties, struct err *e);

/* Topk: teaches the guess what the rows had. */
int pass_learn(struct pass *p, struct err *e);

/* ---- what they share ---- */

/* The floor that row r was guessed to have; 0 for none. */
float pass_guessed(const struct pass *p, size_t r);

/* First row of a block, which may be one past the last. */
size_t pass_row(const struct pass *p, size_t block);

/* Where each row's hits begin within a piece, block · slabs + slab. */
uint32_t *pass_start(const struct forward *f, size_t piece);

/* An error if a list says SIZE_MAX: that its thread had no memory. */
int pass_memory(struct hits *lists, size_t n, struct err *e);

/* How many hits there are in n lists. */
size_t pass_count(const struct hits *lists, size_t n);

#endif
