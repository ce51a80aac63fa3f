/* SPDX-License-Identifier: MIT
 *
 * What an open dump is made of, for the files of this folder only: folder.c
 * and arrays.c build it, dump.c reads from it.
 */
#ifndef DUMP_PARTS_H
#define DUMP_PARTS_H

#include "dump/dump.h"
#include "dump/manifest.h"
#include "dump/source.h"
#include "dump/weights.h"

/* Rows of one layer that lie in one file. */
struct dump_segment {
    uint64_t first, rows;
    const unsigned char *data; /* of row `first`; maybe not aligned */
    size_t stride;             /* bytes from row to row */
    const char *path;
};

/* All rows of a layer: segments in order, without gaps. */
struct dump_layer {
    size_t n;
    struct dump_segment *segments;
};

struct dump {
    struct dump_info info;
    size_t row_bytes;          /* of one layer's row */
    struct dump_layer *layers; /* [info.layers] */
    struct source *sources;    /* the files that the segments lie in */
    size_t n_sources;
    int32_t *tokens;
    int64_t *contexts;
    struct vocab vocab;          /* n 0: unknown */
    struct dump_groups groups;   /* n 0: unknown */
    struct dump_prompts prompts; /* label NULL: they are none */
    struct weights weights;      /* zeroed: there are none */
    struct manifest manifest;    /* of a folder; else zeroed */
    struct arena arena;
};

/* Fill a zeroed dump, info.path included; on failure dump_close cleans up. */
int dump_open_folder(struct dump *d, const char *path,
                     const struct dump_options *options, struct err *e);
int dump_open_arrays(struct dump *d, const char *const *paths, size_t n_paths,
                     const struct dump_options *options, struct err *e);

/* Reads the groups that the options name, if they do, in place of what is known
 * of them, and makes them part of the fingerprint. Call last. */
int dump_read_groups(struct dump *d, const struct dump_options *options,
                     struct err *e);

/* Reads the vocabulary that the options name, if they do. */
int dump_read_vocab(struct dump *d, const struct dump_options *options,
                    struct err *e);

#endif
