/* SPDX-License-Identifier: MIT
 *
 * The tensors of a Hugging Face folder, wherever they lie: in one
 * model.safetensors, or in several shards that model.safetensors.index.json
 * lists ({"weight_map": {tensor: file}}). Opening maps every file and checks
 * that index and shards agree: each listed file is there and holds what the
 * index says, nothing more and nothing less.
 */
#ifndef CAPTURE_WEIGHT_FILES_H
#define CAPTURE_WEIGHT_FILES_H

#include "base/arena.h"
#include "dump/safetensors.h"

struct weight_files {
    char *path; /* the one file, or the index: for what is missing */
    size_t n;
    char **paths; /* [n] */
    struct safetensors *files;
    struct arena arena;
};

/* On failure nothing is held. */
int weight_files_open(struct weight_files *w, const char *folder,
                      struct err *e);
/* Accepts a zeroed one. */
void weight_files_close(struct weight_files *w);

/* The tensor of that name, or NULL; *path is the file that it is in. */
const struct tensor *weight_files_find(const struct weight_files *w,
                                       const char *name, const char **path);

#endif
