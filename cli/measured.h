/* SPDX-License-Identifier: MIT
 *
 * An SAE and the rows of a dump that it is to be measured on: those that its
 * training kept out, those it used, or all.
 */
#ifndef CLI_MEASURED_H
#define CLI_MEASURED_H

#include "sae/rows.h"
#include "sae/sae.h"
#include "train/reading.h"

/* In the order of the option's choices. */
enum measured_split { SPLIT_HELD_OUT, SPLIT_TRAIN, SPLIT_ALL };
const char *measured_split_name(enum measured_split split);

struct measured_options {
    const char *layer; /* NULL: the SAE's own */
    int split;         /* enum measured_split */
    int64_t rows;      /* so many at most, 0: all */
    bool quiet;        /* what is odd about them has been said */
};

struct measured {
    const struct dump *dump;
    const char *folder;
    struct sae sae;
    int layer;
    enum measured_split split; /* what the rows are */
    bool known;                /* rows that trained are known from others */
    struct view view;
    struct reading reading;
    struct row_set rows, train_rows; /* samples that are measured */
};

/* Loads the SAE of a folder and chooses the rows. Keeps dump and folder. On
 * failure nothing is held. */
int measured_open(struct measured *m, const struct dump *dump,
                  const char *folder, const struct measured_options *o,
                  struct err *e);
/* Accepts a zeroed one. */
void measured_close(struct measured *m);

/* All rows of the split, of which `rows` is a sample. */
const struct row_set *measured_set(const struct measured *m);

#endif
