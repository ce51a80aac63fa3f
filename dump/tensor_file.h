/* SPDX-License-Identifier: MIT
 *
 * A file of named tensors, whatever its container: .safetensors, an archive of
 * numpy.savez (.npz), or a plain state dict of torch.save (.pt, .pth, .bin).
 * Opening it gives names, types and shapes; a tensor's numbers are read when it
 * is loaded, so that a caller can compare shapes with what it expects before it
 * pays for them.
 */
#ifndef DUMP_TENSOR_FILE_H
#define DUMP_TENSOR_FILE_H

#include "base/arena.h"
#include "dump/archive.h"
#include "dump/safetensors.h"
#include "dump/tensor.h"

struct tensor_file {
    const char *path; /* the caller's */
    size_t n;
    char **names;
    struct tensor *tensors; /* data NULL until loaded */
    struct safetensors safetensors;
    struct archive archive;
    struct tensor_place *places; /* [n] in the archive */
    struct arena arena;          /* owns names, places and loaded data */
};

/* Where in an archive a tensor lies. */
struct tensor_place {
    struct archive_member member;
    size_t at;       /* its first byte */
    bool transposed; /* two axes: it lies column by column */
};

/* Finds the container by the file's first bytes. On failure nothing is left
 * open. Cost: the file's directory and headers. */
int tensor_file_open(struct tensor_file *f, const char *path, struct err *e);
void tensor_file_close(struct tensor_file *f);

/* The number of the tensor of that name; f->n if there is none. */
size_t tensor_file_find(const struct tensor_file *f, const char *name);

/* Makes tensors[i].data readable, in C order, until the file is closed. */
int tensor_file_load(struct tensor_file *f, size_t i, struct err *e);

/* The readers of the two kinds of archive, for tensor_file_open: f->archive is
 * open, and they fill names, tensors and places. */
int tensor_file_read_npz(struct tensor_file *f, struct err *e);
int tensor_file_read_state_dict(struct tensor_file *f, struct err *e);

/* Writers, not atomic: for files inside an output folder. Numbers are f32, i32
 * or i64, in C order, borrowed. */
struct tensor_entry {
    const char *name;
    struct tensor tensor;
};
int tensor_file_write_npz(const char *path, const struct tensor_entry *entries,
                          size_t n, struct err *e);
int tensor_file_write_state_dict(const char *path,
                                 const struct tensor_entry *entries, size_t n,
                                 struct err *e);

#endif
