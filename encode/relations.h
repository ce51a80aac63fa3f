/* SPDX-License-Identifier: MIT
 *
 * What follows from an SAE's decoder and its codes: neighbours, pairs and
 * logits of features. A thread of its own finds them while other tables are
 * written, if the team has more than one: it is half as much work as the
 * writing, and the writer has one thread.
 *
 * Call order: begin; write, once; end at any point.
 */
#ifndef ENCODE_RELATIONS_H
#define ENCODE_RELATIONS_H

#include "encode/background.h"
#include "encode/logits.h"
#include "encode/neighbours.h"
#include "encode/scan.h"

struct relations {
    struct scan *scan;
    struct neighbours neighbours;
    struct logits logits;
    struct background background;
};

/* `s` has run; its pairs belong to the thread until the end. */
void relations_begin(struct relations *r, struct scan *s);
int relations_write(struct relations *r, struct store_writer *w, struct err *e);
/* Accepts a zeroed one. */
void relations_end(struct relations *r);

#endif
