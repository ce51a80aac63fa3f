/* SPDX-License-Identifier: MIT
 *
 * manifest.json of a dump folder as a struct. docs/formats.md describes its
 * keys.
 */
#ifndef DUMP_MANIFEST_H
#define DUMP_MANIFEST_H

#include "base/arena.h"
#include "dump/checksum.h"
#include "dump/dump.h"

#define MANIFEST_NAME "manifest.json"

/* A file of the folder. */
struct manifest_file {
    const char *name; /* no '/', no ".."; NULL: there is no such file */
    uint64_t bytes, xxh3;
};

struct manifest_shard {
    int layer;
    uint64_t first_row, rows;
    struct manifest_file file;
};

struct manifest {
    struct dump_info info; /* path and fingerprint are not part of it */
    struct manifest_file tokens, contexts, vocab, weights, groups, prompts;
    size_t n_groups; /* 0 without the file */
    char **group_names;
    /* By layer, then by row; each layer's rows are complete. */
    size_t n_shards;
    struct manifest_shard *shards;
    struct arena arena;
};

/* Reads and checks the file by itself. On failure nothing is left. */
int manifest_read(struct manifest *m, const char *path, struct err *e);
int manifest_write(const struct manifest *m, const char *path, struct err *e);
void manifest_free(struct manifest *m);

/* Over what the manifest says, without regard to how it is written down. */
int manifest_fingerprint(const struct manifest *m, char out[FINGERPRINT_HEX],
                         struct err *e);

#endif
