/* SPDX-License-Identifier: MIT */
#include "dump/tensor.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kernels/kernels.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "files are read in place, and they are little-endian"
#endif

static const struct {
    const char *name;
    size_t size;
} types[] = {
    [DTYPE_F32] = {"f32", 4},   [DTYPE_F16] = {"f16", 2},
    [DTYPE_BF16] = {"bf16", 2}, [DTYPE_F64] = {"f64", 8},
    [DTYPE_I32] = {"i32", 4},   [DTYPE_I64] = {"i64", 8},
    [DTYPE_I16] = {"i16", 2},   [DTYPE_U16] = {"u16", 2},
    [DTYPE_U8] = {"u8", 1},     [DTYPE_I8] = {"i8", 1},
    [DTYPE_BOOL] = {"bool", 1},
};

size_t dtype_size(enum dtype dtype)
{
    return types[dtype].size;
}

const char *dtype_name(enum dtype dtype)
{
    return types[dtype].name;
}

bool dtype_from_name(enum dtype *dtype, const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0) {
            *dtype = (enum dtype)i;
            return true;
        }
    return false;
}

bool dtype_is_activation(enum dtype dtype)
{
    return dtype == DTYPE_F32 || dtype == DTYPE_F16 || dtype == DTYPE_BF16;
}

size_t tensor_count(const struct tensor *t)
{
    return t->bytes / dtype_size(t->dtype);
}

void tensor_describe(char *out, size_t size, const struct tensor *t)
{
    /* Eight sizes of at most 20 digits, with what stands between them. */
    char shape[TENSOR_RANK_MAX * 22 + 1] = "";
    size_t used = 0;
    for (int i = 0; i < t->rank; i++)
        used += (size_t)snprintf(shape + used, sizeof shape - used,
                                 "%s%" PRId64, i == 0 ? "" : ", ", t->shape[i]);
    (void)snprintf(out, size, "%s [%s]", dtype_name(t->dtype), shape);
}

int tensor_bytes(size_t *bytes, enum dtype dtype, const int64_t *shape,
                 int rank, const char *where, struct err *e)
{
    size_t product = dtype_size(dtype);
    bool empty = false;
    for (int i = 0; i < rank; i++) {
        if (shape[i] < 0)
            return err_set(e, ERR_INPUT, "%s: negative size %" PRId64, where,
                           shape[i]);
        /* A 0 must not hide sizes that overflow. */
        size_t factor = shape[i] == 0 ? 1 : (size_t)shape[i];
        empty |= shape[i] == 0;
        if (__builtin_mul_overflow(product, factor, &product) ||
            product > PTRDIFF_MAX)
            return err_set(e, ERR_INPUT,
                           "%s: the shape is too large for any file", where);
    }
    *bytes = empty ? 0 : product;
    return 0;
}

void tensor_to_float(float *out, const struct tensor *t, size_t first, size_t n)
{
    const unsigned char *in =
        (const unsigned char *)t->data + first * dtype_size(t->dtype);
    assert(dtype_is_activation(t->dtype));
    if (n == 0)
        return;
    if (t->dtype == DTYPE_F16)
        kernels.f16_to_f32(out, in, n);
    else if (t->dtype == DTYPE_BF16)
        kernels.bf16_to_f32(out, in, n);
    else
        memcpy(out, in, n * sizeof *out);
}
