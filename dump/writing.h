/* SPDX-License-Identifier: MIT
 *
 * What a dump writer is made of, for the files of this folder only: writer.c
 * begins and ends it, writer_files.c and writer_rows.c fill it.
 */
#ifndef DUMP_WRITING_H
#define DUMP_WRITING_H

#include "base/output.h"
#include "dump/manifest.h"
#include "dump/safetensors.h"
#include "dump/writer.h"

enum {
    /* At 768 values of 2 bytes a shard has 200 MB: few files, yet one is soon
     * checked, copied, or loaded whole by another tool. */
    SHARD_ROWS = 131072,
    /* Values converted in one go, so that they stay in cache. */
    CONVERT_VALUES = 8192,
};

/* A layer as far as it has come. */
struct writer_layer {
    uint64_t rows;
    struct manifest_shard *shard; /* being written, or to be begun */
    struct safetensors_writer file;
    char path[OUTPUT_PATH_MAX];
};

struct dump_writer {
    struct output output;
    struct manifest manifest; /* its arena also holds what is below */
    struct writer_layer *layers;
    int32_t last_id; /* the largest token id */
    uint64_t n_vocab;
    char *identity;  /* NULL: not to be resumed */
    size_t complete; /* shards of every layer */
    float checked[CONVERT_VALUES];
    uint16_t narrow[CONVERT_VALUES];
};

#endif
