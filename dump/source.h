/* SPDX-License-Identifier: MIT
 *
 * One file with an array of activations, .npy or .safetensors: a shard of a
 * dump folder or an array of the user's.
 */
#ifndef DUMP_SOURCE_H
#define DUMP_SOURCE_H

#include "dump/npy.h"
#include "dump/safetensors.h"

/* Zeroed it is closed. */
struct source {
    const char *path; /* borrowed */
    struct npy npy;
    struct safetensors file;
    struct tensor z; /* f32, f16 or bf16 */
};

/* Keeps `path`. The tensor of a .safetensors file is the one called `tensor`;
 * with NULL the only one there is, or the one called "z". */
int source_open(struct source *s, const char *path, const char *tensor,
                struct err *e);
void source_close(struct source *s);

/* The whole file. */
const struct map *source_map(const struct source *s);

#endif
