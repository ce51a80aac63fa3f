/* SPDX-License-Identifier: MIT
 *
 * Files of named tensors in archives: what the writers write is read back; the
 * pickles that torch.save makes of modules are read as they are, transposed
 * tensors in C order. tests/cli/bad_archives.sh has what is refused.
 */
#include "tests/unit/scratch.h"

#include "dump/pickle.h"
#include "dump/tensor_file.h"

enum { ROWS = 3, COLUMNS = 5 };

static const float matrix[ROWS * COLUMNS] = {1, 2,  3,  4,  5,  6,  7, 8,
                                             9, 10, 11, 12, 13, 14, 15};
static const float vector[ROWS] = {0.5f, -1, 3};
static const int32_t k = 7;

static const struct tensor_entry entries[] = {
    {"W.enc",
     {.dtype = DTYPE_F32,
      .rank = 2,
      .shape = {ROWS, COLUMNS},
      .data = matrix,
      .bytes = sizeof matrix}},
    {"b",
     {.dtype = DTYPE_F32,
      .rank = 1,
      .shape = {ROWS},
      .data = vector,
      .bytes = sizeof vector}},
    {"k", {.dtype = DTYPE_I32, .data = &k, .bytes = sizeof k}},
};
enum { N = sizeof entries / sizeof *entries };

static void check_entries(struct tensor_file *f)
{
    struct err e = {0};
    assert_int_equal(f->n, N);
    for (size_t i = 0; i < N; i++) {
        const struct tensor *want = &entries[i].tensor, *t = &f->tensors[i];
        assert_int_equal(tensor_file_find(f, entries[i].name), i);
        assert_int_equal(t->dtype, want->dtype);
        assert_int_equal(t->rank, want->rank);
        assert_memory_equal(t->shape, want->shape, sizeof t->shape);
        assert_null(t->data);
        assert_int_equal(tensor_file_load(f, i, &e), 0);
        assert_memory_equal(t->data, want->data, want->bytes);
    }
    assert_int_equal(tensor_file_find(f, "W"), N);
}

static void test_round_trips(void **state)
{
    (void)state;
    struct tensor_file f;
    struct err e = {0};
    assert_int_equal(tensor_file_write_state_dict("a.pt", entries, N, &e), 0);
    assert_int_equal(tensor_file_write_npz("a.npz", entries, N, &e), 0);
    static const char *const paths[] = {"a.pt", "a.npz"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(tensor_file_open(&f, paths[i], &e), 0);
        check_entries(&f);
        tensor_file_close(&f);
    }
}

/* ---- what torch.save makes of modules ---- */

static void put(unsigned char *out, size_t *n, const void *bytes, size_t size)
{
    memcpy(out + *n, bytes, size);
    *n += size;
}
#define PUT(text) put(program, &n, text, sizeof(text) - 1)

/* An OrderedDict with memo and _metadata; 'W' is a parameter and the transpose
 * of the matrix in storage 0, 'v' a part of the same storage. */
static size_t write_program(unsigned char *program)
{
    size_t n = 0;
    PUT("\x80\x02"
        "ccollections\nOrderedDict\nq\x00)Rq\x01(X\x01\0\0\0Wq\x02");
    PUT("ctorch._utils\n_rebuild_parameter\nq\x03"
        "ctorch._utils\n"
        "_rebuild_tensor_v2\nq\x04((X\x07\0\0\0storageq\x05"
        "ctorch\nFloatStorage\nq\x06X\x01\0\0\0"
        "0q\x07X\x06\0\0\0cuda:0q\x08"
        "K\x0ftq\tQK\0K\x05K\x03\x86q\nK\x01K\x05\x86q\x0b\x89h\0)Rq\x0ct"
        "q\rRq\x0e\x88h\0)Rr\x0f\0\0\0\x87Rq\x10");
    PUT("X\x01\0\0\0vh\x04((h\x05h\x06h\x07h\x08K\x0ftQM\x02\0K\x04\x85"
        "\x8a\x01\x01\x85\x89h\0)RtR");
    PUT("u}X\x09\0\0\0_metadatah\0)R(X\0\0\0\0}X\x07\0\0\0versionK\x01s"
        "X\x01\0\0\0x](K\x01G?\xf0\0\0\0\0\0\0NJ\xff\xff\xff\xff"
        "eus"
        "b.");
    return n;
}

static void test_program_of_a_module(void **state)
{
    (void)state;
    unsigned char program[1024];
    size_t size = write_program(program);
    const struct archive_entry members[] = {
        {.name = "x/data.pkl", .data = program, .bytes = size},
        {.name = "x/data/0", .data = matrix, .bytes = sizeof matrix},
    };
    struct tensor_file f;
    struct err e = {0};
    assert_int_equal(archive_write("m.pt", members, 2, &e), 0);
    if (tensor_file_open(&f, "m.pt", &e) != 0)
        fail_msg("%s", e.msg);
    assert_int_equal(f.n, 2);
    assert_string_equal(f.names[0], "W");
    assert_int_equal(f.tensors[0].shape[0], COLUMNS);
    assert_int_equal(f.tensors[0].shape[1], ROWS);
    assert_int_equal(tensor_file_load(&f, 0, &e), 0);
    float w[ROWS * COLUMNS];
    tensor_to_float(w, &f.tensors[0], 0, ROWS * COLUMNS);
    for (size_t i = 0; i < COLUMNS; i++)
        for (size_t j = 0; j < ROWS; j++)
            assert_true(w[i * ROWS + j] == matrix[j * COLUMNS + i]);
    assert_int_equal(tensor_file_load(&f, 1, &e), 0);
    assert_int_equal(f.tensors[1].shape[0], 4);
    assert_memory_equal(f.tensors[1].data, matrix + 2, 4 * sizeof *matrix);
    tensor_file_close(&f);
}

/* However the program is cut, it is refused and nothing is read beyond it. */
static void test_cut_programs(void **state)
{
    (void)state;
    unsigned char program[1024];
    size_t size = write_program(program);
    for (size_t n = 0; n < size; n++) {
        unsigned char *cut = malloc(n + 1);
        struct pickle p;
        struct err e = {0};
        memcpy(cut, program, n);
        assert_refused(pickle_read(&p, cut, n, "cut", &e), &e, "cut: ");
        free(cut);
    }
}

static void test_large_programs(void **state)
{
    (void)state;
    static unsigned char program[PICKLE_BYTES_MAX + 1];
    struct pickle p;
    struct err e = {0};
    memset(program, 'N', sizeof program);
    memcpy(program, "\x80\x02", 2);
    assert_refused(pickle_read(&p, program, sizeof program, "f", &e), &e,
                   "at most 262144 are read");
    program[PICKLE_BYTES_MAX - 1] = '.';
    assert_refused(pickle_read(&p, program, PICKLE_BYTES_MAX, "f", &e), &e,
                   "more than one result");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_program_of_a_module),
        cmocka_unit_test(test_cut_programs),
        cmocka_unit_test(test_large_programs),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
