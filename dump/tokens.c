/* SPDX-License-Identifier: MIT */
#include "dump/tokens.h"

#include <inttypes.h>
#include <string.h>

#include "dump/npy.h"

static int64_t id_at(const struct tensor *t, size_t i)
{
    const unsigned char *at =
        (const unsigned char *)t->data + i * dtype_size(t->dtype);
    int64_t wide;
    int32_t narrow;
    uint16_t half;
    switch (t->dtype) {
    case DTYPE_I64:
        memcpy(&wide, at, sizeof wide);
        return wide;
    case DTYPE_I32:
        memcpy(&narrow, at, sizeof narrow);
        return narrow;
    default:
        memcpy(&half, at, sizeof half);
        return half;
    }
}

static int copy_ids(int32_t **ids, struct arena *a, const struct tensor *t,
                    const char *path, struct err *e)
{
    char shape[256];
    tensor_describe(shape, sizeof shape, t);
    if (t->dtype != DTYPE_I32 && t->dtype != DTYPE_I64 && t->dtype != DTYPE_U16)
        return err_set(e, ERR_INPUT,
                       "%s is %s; token ids are i32, i64 or u16: save "
                       ".astype(np.int32)",
                       path, shape);
    if (t->rank != 1 && t->rank != 2)
        return err_set(e, ERR_INPUT,
                       "%s is %s; token ids have one axis, or two: contexts, "
                       "positions",
                       path, shape);
    size_t n = tensor_count(t);
    TRY(arena_get(a, ids, n, sizeof **ids, "token ids", e));
    for (size_t i = 0; i < n; i++) {
        int64_t id = id_at(t, i);
        if (id < 0 || id > INT32_MAX)
            return err_set(e, ERR_INPUT,
                           "%s: token %zu has the id %" PRId64
                           ", outside 0..2147483647",
                           path, i, id);
        (*ids)[i] = (int32_t)id;
    }
    return 0;
}

int tokens_read_ids(int32_t **ids, uint64_t *n, uint64_t *positions,
                    struct arena *a, const char *path, struct err *e)
{
    struct npy file;
    TRY(npy_open(&file, path, e));
    const struct tensor *t = &file.tensor;
    int code = copy_ids(ids, a, t, path, e);
    *n = tensor_count(t);
    *positions = t->rank == 2 ? (uint64_t)t->shape[1] : 0;
    npy_close(&file);
    return code;
}

int tokens_read_contexts(int64_t **offsets, uint64_t *n, struct arena *a,
                         const char *path, struct err *e)
{
    struct npy file;
    TRY(npy_open(&file, path, e));
    const struct tensor *t = &file.tensor;
    int code;
    *n = tensor_count(t);
    if (t->dtype != DTYPE_I64 || t->rank != 1)
        code = err_set(e, ERR_INPUT, "%s must be i64 with one axis", path);
    else
        code = arena_get(a, offsets, *n, sizeof **offsets, "contexts", e);
    if (code == 0 && t->bytes != 0)
        memcpy(*offsets, t->data, t->bytes);
    npy_close(&file);
    return code;
}

int tokens_check_ids(const int32_t *ids, uint64_t n, uint64_t vocab,
                     const char *where, struct err *e)
{
    for (uint64_t i = 0; i < n; i++) {
        if (ids[i] < 0)
            return err_set(e, ERR_INPUT,
                           "%s: token %" PRIu64 " has the negative id %" PRId32,
                           where, i, ids[i]);
        if (vocab != 0 && (uint64_t)ids[i] >= vocab)
            return err_set(e, ERR_INPUT,
                           "%s: token %" PRIu64 " has the id %" PRId32
                           ", but the vocabulary ends at %" PRIu64,
                           where, i, ids[i], vocab - 1);
    }
    return 0;
}

int tokens_check_contexts(const int64_t *offsets, uint64_t contexts,
                          uint64_t tokens, const char *where, struct err *e)
{
    if (offsets[0] != 0)
        return err_set(e, ERR_INPUT,
                       "%s: the first context begins at %" PRId64 ", not 0",
                       where, offsets[0]);
    for (uint64_t c = 0; c < contexts; c++)
        if (offsets[c + 1] <= offsets[c])
            return err_set(e, ERR_INPUT,
                           "%s: contexts are not ascending: context %" PRIu64
                           " goes from %" PRId64 " to %" PRId64,
                           where, c, offsets[c], offsets[c + 1]);
    if ((uint64_t)offsets[contexts] != tokens)
        return err_set(e, ERR_INPUT,
                       "%s: the contexts end at %" PRId64 " of %" PRIu64
                       " tokens",
                       where, offsets[contexts], tokens);
    return 0;
}
