/* SPDX-License-Identifier: MIT
 *
 * NumPy .npy files, versions 1.0 to 3.0: f4 f2 i4 i8 (and what dtype lists),
 * little-endian, C order. bfloat16, which NumPy itself does not know, is
 * accepted as ml_dtypes writes it ('bfloat16', or '<V2' / '|V2').
 */
#ifndef DUMP_NPY_H
#define DUMP_NPY_H

#include <stdio.h>

#include "base/map.h"
#include "dump/tensor.h"

struct npy {
    struct map map;
    struct tensor tensor;
};

/* Opens and checks a file. Fortran order, big-endian, structured or object
 * arrays are refused by name, with what to do in numpy. */
int npy_open(struct npy *a, const char *path, struct err *e);
void npy_close(struct npy *a);

/* The same for an array whose first `have` bytes lie in memory, as a member of
 * an archive: its tensor, without data, and the place where that begins. `size`
 * is the array's with its header; have must be that, or NPY_PREFIX_MAX. */
enum { NPY_PREFIX_MAX = (1 << 16) + 12 };
int npy_read_header(struct tensor *t, size_t *data_at, const void *bytes,
                    size_t have, size_t size, const char *where, struct err *e);

/* The header that npy_write puts before an array; returns its length. */
enum { NPY_WRITTEN_HEADER_MAX = 512 };
size_t npy_make_header(char *out, size_t size, const struct tensor *t);

/* Writes a whole array; not atomic. dtype F32, F16, I32, I64. */
int npy_write(const char *path, enum dtype dtype, const int64_t *shape,
              int rank, const void *data, struct err *e);

/* Begins a structured array of one axis in an empty file: `fields` is its dtype
 * as numpy writes it, "[('token', '<i8'), ('level', '|u1')]". The records
 * follow, packed. */
enum { NPY_FIELDS_MAX = 400 };
int npy_begin_records(FILE *f, const char *fields, int64_t records,
                      const char *path, struct err *e);

#endif
