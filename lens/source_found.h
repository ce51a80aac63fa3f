/* SPDX-License-Identifier: MIT
 *
 * What is found about sources in a group of contexts, until it is added to
 * what was found before: lists that keep their memory when they are emptied. A
 * failure of adding is remembered.
 */
#ifndef LENS_SOURCE_FOUND_H
#define LENS_SOURCE_FOUND_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A source of an example: `place` numbers the request's places. */
struct source_row {
    uint32_t place, source; /* source: row of the dump */
    float contribution;
    uint8_t head, rank;
};

/* What a feature gets from sources at some distance. */
struct source_bin {
    double sum;
    uint32_t feature, bin, count;
};

/* What a token string gives to a feature at one destination. */
struct source_string {
    uint32_t feature, vocab;
    float sum;
};

struct source_found {
    struct source_row *rows;
    struct source_bin *bins;
    struct source_string *strings;
    size_t n_rows, n_bins, n_strings;
    size_t rows_room, bins_room, strings_room;
    int code; /* of the first failure */
    struct err e;
};

void source_found_empty(struct source_found *f);
void source_found_free(struct source_found *f);

void source_found_row(struct source_found *f, struct source_row row);
void source_found_bin(struct source_found *f, struct source_bin bin);
void source_found_string(struct source_found *f, struct source_string string);

#endif
