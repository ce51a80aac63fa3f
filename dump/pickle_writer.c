/* SPDX-License-Identifier: MIT
 *
 * The opcodes of pickle_read's other side. Without memo: what it would save are
 * some bytes for each tensor.
 */
#include "dump/pickle.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TENSOR_BYTES_MAX = 512, NAME_BYTES_MAX = 80, FRAME_BYTES = 64 };

struct writer {
    unsigned char *at, *end;
};

static void put(struct writer *w, const void *bytes, size_t n)
{
    assert((size_t)(w->end - w->at) >= n);
    memcpy(w->at, bytes, n);
    w->at += n;
}

static void put_code(struct writer *w, const char *opcodes)
{
    put(w, opcodes, strlen(opcodes));
}

static void put_text(struct writer *w, const char *text)
{
    uint32_t n = (uint32_t)strlen(text);
    put_code(w, "X");
    put(w, &n, sizeof n);
    put(w, text, n);
}

/* LONG1, which holds any number. */
static void put_number(struct writer *w, int64_t number)
{
    static const unsigned char long_of_8[] = {0x8a, 8};
    put(w, long_of_8, sizeof long_of_8);
    put(w, &number, sizeof number);
}

static const char *storage_type(enum dtype dtype)
{
    switch (dtype) {
    case DTYPE_F32:
        return "ctorch\nFloatStorage\n";
    case DTYPE_I32:
        return "ctorch\nIntStorage\n";
    default:
        assert(dtype == DTYPE_I64);
        return "ctorch\nLongStorage\n";
    }
}

static void put_tensor(struct writer *w, const struct pickle_tensor *p)
{
    const struct tensor *t = &p->tensor;
    put_text(w, p->name);
    put_code(w, "ctorch._utils\n_rebuild_tensor_v2\n((");
    put_text(w, "storage");
    put_code(w, storage_type(t->dtype));
    put_text(w, p->storage);
    put_text(w, "cpu");
    put_number(w, (int64_t)tensor_count(t));
    put_code(w, "tQ"); /* the storage */
    put_number(w, 0);  /* offset */
    put_code(w, "(");
    for (int i = 0; i < t->rank; i++)
        put_number(w, t->shape[i]);
    put_code(w, "t(");
    for (int i = 0; i < t->rank; i++) {
        int64_t stride = 1;
        for (int k = i + 1; k < t->rank; k++)
            stride *= t->shape[k];
        put_number(w, stride);
    }
    put_code(w, "t\x89"
                "ccollections\nOrderedDict\n)RtR");
}

int pickle_write(unsigned char **bytes, size_t *size,
                 const struct pickle_tensor *tensors, size_t n,
                 struct arena *arena, struct err *e)
{
    size_t room = FRAME_BYTES + n * TENSOR_BYTES_MAX;
    TRY(arena_get(arena, bytes, room, 1, "the pickle", e));
    struct writer w = {*bytes, *bytes + room};
    put_code(&w, "\x80\x02"
                 "ccollections\nOrderedDict\n)R(");
    for (size_t i = 0; i < n; i++) {
        assert(strlen(tensors[i].name) < NAME_BYTES_MAX &&
               tensors[i].tensor.rank <= 2);
        put_tensor(&w, &tensors[i]);
    }
    put_code(&w, "u.");
    *size = (size_t)(w.at - *bytes);
    return 0;
}
