/* SPDX-License-Identifier: MIT
 *
 * safetensors: u64 little-endian header size, JSON header {"name": {"dtype",
 * "shape", "data_offsets": [begin, end]}, "__metadata__": {string: string}},
 * then raw little-endian data in C order. Read through a map; every header
 * field is checked against the file before it is used. docs/formats.md has the
 * whole list of what is refused.
 */
#ifndef DUMP_SAFETENSORS_H
#define DUMP_SAFETENSORS_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/map.h"
#include "dump/tensor.h"

struct safetensors {
    struct map map;
    size_t n;
    char **names; /* in order of data */
    struct tensor *tensors;
    struct arena arena;
};

/* What the reference implementation caps headers at, too: a lying size must
 * not cost memory. */
#define SAFETENSORS_HEADER_MAX 100000000

/* Opens and checks a file. On failure nothing is left open. */
int safetensors_open(struct safetensors *s, const char *path, struct err *e);
void safetensors_close(struct safetensors *s);

/* The tensor of that name, or NULL. */
const struct tensor *safetensors_find(const struct safetensors *s,
                                      const char *name);

/* Whether a tensor may have that name: not empty, no '/', no "..", no control
 * characters. */
bool safetensors_name_ok(const char *name);
/* "F32", "BF16": the format's word for a type. */
const char *safetensors_type_name(enum dtype dtype);

/* What a writer puts into one file. */
struct safetensors_entry {
    const char *name;
    enum dtype dtype;
    int rank;
    int64_t shape[TENSOR_RANK_MAX];
};

/* Writes a file in order: begin, then the bytes of all entries one after the
 * other in any number of pieces, then end, which fails if the number of bytes
 * is not what begin announced. Not atomic: for files inside an output folder
 * or under an output's partial name. */
struct safetensors_writer {
    void *file; /* FILE * */
    const char *path;
    uint64_t left; /* bytes still to come */
    void *hash;    /* XXH3_state_t * */
    /* After end: the file's size and the XXH3-64 of all its bytes. */
    uint64_t bytes, xxh3;
};
int safetensors_begin(struct safetensors_writer *w, const char *path,
                      const struct safetensors_entry *entries, size_t n,
                      struct err *e);
int safetensors_put(struct safetensors_writer *w, const void *data,
                    size_t bytes, struct err *e);
int safetensors_end(struct safetensors_writer *w, struct err *e);
/* Closes after a failure; the file stays, incomplete. Accepts an ended or
 * zeroed writer. */
void safetensors_abandon(struct safetensors_writer *w);

#endif
