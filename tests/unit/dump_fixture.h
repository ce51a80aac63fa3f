/* SPDX-License-Identifier: MIT
 *
 * A small dump for tests, with values that can be told from their place.
 */
#ifndef TESTS_UNIT_DUMP_FIXTURE_H
#define TESTS_UNIT_DUMP_FIXTURE_H

#include "scratch.h"

#include "dump/dump.h"
#include "dump/writer.h"

enum {
    LAYERS = 3,
    HEADS = 2,
    D_HEAD = 4,
    WIDTH = HEADS * D_HEAD,
    CONTEXTS = 4,
    POSITIONS = 5,
    TOKENS = CONTEXTS * POSITIONS
};

/* The value at a place, exact in f16 and bf16 (at most 8 significant bits). */
static inline float value_at(int layer, uint64_t token, size_t column)
{
    float v = (float)((token * 13 + column * 7 + (uint64_t)layer * 5) % 255);
    return (v - 127) / 64;
}

static inline void fill(float *out, int layer, uint64_t first, size_t n)
{
    for (size_t i = 0; i < n * WIDTH; i++)
        out[i] = value_at(layer, first + i / WIDTH, i % WIDTH);
}

static inline int open_one(struct dump **d, const char *path,
                           const struct dump_options *o, struct err *e)
{
    return dump_open(d, &path, 1, o, e);
}

/* Every way of reading gives the values of fill(), for layers 0..layers-1. */
static inline void check_rows(const struct dump *d, int layers, uint64_t tokens)
{
    static float want[64 * WIDTH], got[64 * WIDTH], converted[64 * WIDTH];
    static char raw[64 * WIDTH * 4];
    struct err e = {0};
    const struct dump_info *info = dump_info(d);
    assert_int_equal(info->tokens, tokens);
    assert_int_equal(info->heads * info->d_head, WIDTH);
    assert_int_equal(info->layers, layers);
    for (int l = 0; l < layers; l++)
        for (uint64_t first = 0; first <= tokens; first++)
            for (size_t n = 0; n <= tokens - first; n++) {
                int layer = info->first_layer + l;
                size_t row_bytes = WIDTH * dtype_size(info->dtype);
                fill(want, l, first, n);
                assert_int_equal(dump_read(d, layer, first, n, got, &e), 0);
                assert_memory_equal(got, want, n * WIDTH * sizeof *got);
                dump_read_raw(d, layer, first, n, raw);
                for (size_t i = 0; i < n; i++)
                    assert_int_equal(
                        dump_convert_part(d, layer, raw + i * row_bytes,
                                          first + i, 0, WIDTH,
                                          converted + i * WIDTH, &e),
                        0);
                assert_memory_equal(converted, want, n * WIDTH * sizeof *got);
            }
}

static const struct dump_info plain_info = {
    .model = "tiny",
    .first_layer = 2,
    .layers = LAYERS,
    .heads = HEADS,
    .d_head = D_HEAD,
    .d_model = 16,
    .tokens = TOKENS,
    .contexts = CONTEXTS,
    .dtype = DTYPE_F32,
    .bos = "always",
    .fold_value_biases = 0,
};
static const int64_t offsets[CONTEXTS + 1] = {0, 5, 10, 15, 20};
static const int32_t ids[TOKENS] = {0, 1, 2, 3, 2, 1, 0};

static inline void put_vocab(struct dump_writer *w)
{
    struct vocab v;
    struct err e = {0};
    assert_int_equal(vocab_init(&v, 4, &e), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(vocab_set(&v, i, &"abcd"[i], 1, &e), 0);
    assert_int_equal(dump_writer_vocab(w, &v, &e), 0);
    vocab_free(&v);
}

static inline struct dump_writer *begin_dump(const char *path,
                                             const struct dump_info *info,
                                             bool force)
{
    struct dump_writer *w;
    struct err e = {0};
    assert_int_equal(dump_writer_open(&w, path, info, force, &e), 0);
    assert_int_equal(dump_writer_tokens(w, ids, offsets, &e), 0);
    put_vocab(w);
    return w;
}

/* Rows in pieces of `step`, the layers taking turns. */
static inline void put_rows(struct dump_writer *w, const struct dump_info *info,
                            size_t step)
{
    float rows[TOKENS * WIDTH];
    struct err e = {0};
    for (uint64_t first = 0; first < info->tokens; first += step)
        for (int l = 0; l < info->layers; l++) {
            size_t n = info->tokens - first < step
                           ? (size_t)(info->tokens - first)
                           : step;
            fill(rows, l, first, n);
            assert_int_equal(
                dump_writer_rows(w, info->first_layer + l, rows, n, &e), 0);
        }
}

static inline void write_dump(const char *path, enum dtype dtype, bool force)
{
    struct dump_info info = plain_info;
    struct err e = {0};
    info.dtype = dtype;
    struct dump_writer *w = begin_dump(path, &info, force);
    put_rows(w, &info, 3);
    assert_int_equal(dump_writer_commit(&w, &e), 0);
    assert_null(w);
}

#endif
