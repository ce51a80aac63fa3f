/* SPDX-License-Identifier: MIT
 *
 * A view of an array that lies in a mapped file: element type, shape (C order)
 * and bytes. A view owns nothing; the file that made it must outlive it.
 */
#ifndef DUMP_TENSOR_H
#define DUMP_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { TENSOR_RANK_MAX = 8 };

enum dtype {
    DTYPE_F32,
    DTYPE_F16,
    DTYPE_BF16,
    DTYPE_F64, /* read, so that `info` can name it; not an activation type */
    DTYPE_I32,
    DTYPE_I64,
    DTYPE_I16,
    DTYPE_U16,
    DTYPE_U8,
    DTYPE_I8,
    DTYPE_BOOL,
};

struct tensor {
    enum dtype dtype;
    int rank;
    int64_t shape[TENSOR_RANK_MAX];
    const void *data; /* maybe not aligned to the element */
    size_t bytes;     /* product of shape × dtype_size */
};

size_t dtype_size(enum dtype dtype);
/* "f32", "bf16", "i64": the word of options, manifests and messages. */
const char *dtype_name(enum dtype dtype);
/* The reverse; false if there is no such type. */
bool dtype_from_name(enum dtype *dtype, const char *name);
/* Whether activations may have it: f32, f16, bf16. */
bool dtype_is_activation(enum dtype dtype);

/* Number of elements. */
size_t tensor_count(const struct tensor *t);

/* "f32 [334532, 8, 32]" */
void tensor_describe(char *out, size_t size, const struct tensor *t);

/* Bytes of a shape, or an error naming `where` if a size is negative or the
 * product does not fit. Sizes of 0 are allowed. */
int tensor_bytes(size_t *bytes, enum dtype dtype, const int64_t *shape,
                 int rank, const char *where, struct err *e);

/* Elements [first, first + n) as float; f32, f16, bf16 only (checked by the
 * reader that made the view; other types are a programming error). Aligned
 * or not. Does not look for NaN. */
void tensor_to_float(float *out, const struct tensor *t, size_t first,
                     size_t n);

#endif
