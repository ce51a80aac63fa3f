/* SPDX-License-Identifier: MIT
 *
 * Catches: headers that lie about sizes, headers outside the small language
 * that numpy writes, types that would be misread, and files that numpy would
 * not take.
 */
#include "scratch.h"

#include "dump/npy.h"

/* A file of version `major` with the given header text and data bytes. */
static size_t make_file(const char *path, int major, const char *header,
                        size_t data)
{
    unsigned char bytes[4096] = "\x93NUMPY";
    size_t length = strlen(header), at = 8;
    bytes[6] = (unsigned char)major;
    bytes[at++] = (unsigned char)length;
    bytes[at++] = (unsigned char)(length >> 8);
    at += major == 1 ? 0 : 2;
    memcpy(bytes + at, header, length);
    write_bytes(path, bytes, at + length + data);
    return at + length + data;
}

#define HEAD(descr, order, shape)                                              \
    "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }\n"

static void bad_headers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        const char *words;
    } cases[] = {
        {HEAD("'<f4'", "False", "(2, 3)"), 23,
         "needs 24 bytes, the file has 23"},
        {HEAD("'<f4'", "False", "(2, 3)"), 25,
         "needs 24 bytes, the file has 25"},
        {HEAD("'<f4'", "False", "(1000000000000,)"), 0, "needs 4000000000000"},
        {HEAD("'<f4'", "False", "(4611686018427387905,)"), 4, "too large"},
        {HEAD("'<f4'", "False", "(4294967296, 4294967297)"), 4, "too large"},
        {HEAD("'<f4'", "False", "(99999999999999999999,)"), 4, "too large"},
        {HEAD("'<f4'", "False", "(-1,)"), 4, "whole numbers from 0"},
        {HEAD("'<f4'", "False", "(1.5,)"), 4, "')' expected"},
        {HEAD("'<f4'", "False", "(1,,)"), 4, "whole numbers from 0"},
        {HEAD("'<f4'", "False", "(1"), 4, "whole numbers from 0"},
        {HEAD("'<f4'", "False", "[1]"), 4, "'(' expected"},
        {HEAD("'<f4'", "False", "(1,1,1,1,1,1,1,1,1)"), 4, "too many axes"},
        {HEAD("'<f4'", "True", "(2, 3)"), 24, "np.ascontiguousarray"},
        {HEAD("'<f4'", "Maybe", "(2, 3)"), 24, "True or False"},
        {HEAD("'>f4'", "False", "(1,)"), 4, "big-endian"},
        {HEAD("'|O'", "False", "(1,)"), 8, "Python objects"},
        {HEAD("'<U8'", "False", "(1,)"), 32, "unknown npy dtype '<U8'"},
        {HEAD("'<c8'", "False", "(1,)"), 8, "unknown npy dtype '<c8'"},
        {HEAD("[('a', '<f4')]", "False", "(1,)"), 4, "structured"},
        {HEAD("4", "False", "(1,)"), 4, "expected"},
        {"{'descr': '<f4', 'fortran_order': False}", 4, "is missing"},
        {"{'descr': '<f4', 'descr': '<f4', 'shape': (1,)}", 4, "duplicate key"},
        {"{'descr': '<f4', 'more': 1}", 4, "a key other than"},
        {"{}", 0, "is missing"},
        {"", 0, "'{' expected"},
        {"{'descr': 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'}", 0,
         "expected"},
        {HEAD("'<f4'", "False", "(1,)") "x", 4, "text after the dict"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int major = 1; major <= 3; major++) {
            struct npy a;
            struct err e = {0};
            (void)make_file("bad.npy", major, cases[i].header, cases[i].data);
            assert_refused(npy_open(&a, "bad.npy", &e), &e, cases[i].words);
            assert_non_null(strstr(e.msg, "bad.npy"));
            assert_null(a.map.data);
        }
}

static void bad_prefixes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *words;
    } cases[] = {
        {"", 0, "no .npy file"},
        {"\x93NUMPY", 6, "no .npy file"},
        {"\x93NUMPX\x01\x00\x01\x00 ", 11, "no .npy file"},
        {"PK\x03\x04 a zip file", 15, "no .npy file"},
        {"\x93NUMPY\x04\x00\x01\x00 ", 11, "version 4.0"},
        {"\x93NUMPY\x00\x00\x01\x00 ", 11, "version 0.0"},
        {"\x93NUMPY\x01\x00\x01", 9, "cut short"},
        {"\x93NUMPY\x02\x00\x01\x00 ", 11, "cut short"},
        {"\x93NUMPY\x01\x00\x02\x00{", 11, "claims an npy header of 2 bytes"},
        {"\x93NUMPY\x02\x00\xff\xff\xff\xff{", 13, "4294967295 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct npy a;
        struct err e = {0};
        write_bytes("bad.npy", cases[i].bytes, cases[i].size);
        assert_refused(npy_open(&a, "bad.npy", &e), &e, cases[i].words);
    }
    struct npy a;
    struct err e = {0};
    assert_refused(npy_open(&a, ".", &e), &e, "regular file");
    assert_refused(npy_open(&a, "missing.npy", &e), &e, "missing.npy");
}

static void types_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *descr;
        enum dtype dtype;
    } types[] = {
        {"<f4", DTYPE_F32},      {"<f2", DTYPE_F16},  {"<f8", DTYPE_F64},
        {"<i4", DTYPE_I32},      {"<i8", DTYPE_I64},  {"<i2", DTYPE_I16},
        {"<u2", DTYPE_U16},      {"|u1", DTYPE_U8},   {"|i1", DTYPE_I8},
        {"|b1", DTYPE_BOOL},     {"<V2", DTYPE_BF16}, {"|V2", DTYPE_BF16},
        {"bfloat16", DTYPE_BF16}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char header[200];
        struct npy a;
        struct err e = {0};
        (void)snprintf(header, sizeof header,
                       "{\"shape\": (3,), 'fortran_order': False, "
                       "'descr': '%s'}   \n",
                       types[i].descr);
        size_t size = dtype_size(types[i].dtype);
        (void)make_file("a.npy", 1, header, 3 * size);
        assert_int_equal(npy_open(&a, "a.npy", &e), 0);
        assert_int_equal(a.tensor.dtype, types[i].dtype);
        assert_int_equal(a.tensor.bytes, 3 * size);
        assert_int_equal(tensor_count(&a.tensor), 3);
        npy_close(&a);
    }
}

static void shapes_of_any_rank(void **state)
{
    (void)state;
    static const struct {
        const char *shape;
        int rank;
        int64_t sizes[3];
        size_t count;
        const char *described;
    } shapes[] = {
        {"()", 0, {0}, 1, "f32 []"},
        {"(3,)", 1, {3}, 3, "f32 [3]"},
        {"(2, 3)", 2, {2, 3}, 6, "f32 [2, 3]"},
        {"(2, 0, 3)", 3, {2, 0, 3}, 0, "f32 [2, 0, 3]"},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        char header[200], text[256];
        struct npy a;
        struct err e = {0};
        (void)snprintf(header, sizeof header,
                       "{'descr': '<f4', 'fortran_order': False, 'shape': %s}",
                       shapes[i].shape);
        (void)make_file("a.npy", 2, header, 4 * shapes[i].count);
        assert_int_equal(npy_open(&a, "a.npy", &e), 0);
        assert_int_equal(a.tensor.rank, shapes[i].rank);
        assert_memory_equal(a.tensor.shape, shapes[i].sizes,
                            (size_t)shapes[i].rank * sizeof(int64_t));
        assert_int_equal(tensor_count(&a.tensor), shapes[i].count);
        tensor_describe(text, sizeof text, &a.tensor);
        assert_string_equal(text, shapes[i].described);
        npy_close(&a);
    }
}

static void written_files_are_read_back(void **state)
{
    (void)state;
    static const enum dtype types[] = {DTYPE_F32, DTYPE_F16, DTYPE_I32,
                                       DTYPE_I64};
    static const int64_t shape[TENSOR_RANK_MAX] = {2, 3, 1, 1, 1, 1, 1, 1};
    unsigned char data[48];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(255 - i);
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        for (int rank = 0; rank <= TENSOR_RANK_MAX; rank++) {
            struct npy a;
            struct err e = {0};
            assert_int_equal(
                npy_write("a.npy", types[t], shape, rank, data, &e), 0);
            assert_int_equal(npy_open(&a, "a.npy", &e), 0);
            assert_int_equal(a.tensor.dtype, types[t]);
            assert_int_equal(a.tensor.rank, rank);
            assert_memory_equal(a.tensor.shape, shape,
                                (size_t)rank * sizeof *shape);
            assert_memory_equal(a.tensor.data, data, a.tensor.bytes);
            /* numpy aligns the data to 64 and ends the header so. */
            size_t at = a.map.size - a.tensor.bytes;
            assert_int_equal(at % 64, 0);
            assert_int_equal(a.map.data[at - 1], '\n');
            npy_close(&a);
        }
    struct err e = {0};
    assert_refused(npy_write("no/such/a.npy", DTYPE_F32, shape, 1, data, &e),
                   &e, "no/such/a.npy");
}

/* An empty array has data nowhere. */
static void empty_arrays_are_written(void **state)
{
    (void)state;
    static const int64_t shape[] = {0, 4};
    struct npy a;
    struct err e = {0};
    assert_int_equal(npy_write("a.npy", DTYPE_I32, shape, 2, NULL, &e), 0);
    assert_int_equal(npy_open(&a, "a.npy", &e), 0);
    assert_int_equal(a.tensor.bytes, 0);
    npy_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_headers_are_refused),
        cmocka_unit_test(bad_prefixes_are_refused),
        cmocka_unit_test(types_are_told_apart),
        cmocka_unit_test(shapes_of_any_rank),
        cmocka_unit_test(written_files_are_read_back),
        cmocka_unit_test(empty_arrays_are_written),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
