/* SPDX-License-Identifier: MIT
 *
 * Catches: a header field used before it was checked, a file that is not
 * filled exactly by its tensors, and a writer whose files differ from what
 * they announce.
 */
#include "scratch.h"

#include <sys/stat.h>
#include <xxhash.h>

#include "dump/safetensors.h"

/* A file with the given header and `data` bytes behind it; claimed 0: the
 * header's real length. */
static size_t make_file(const char *path, uint64_t claimed, const char *header,
                        size_t data)
{
    char bytes[4096] = {0};
    uint64_t length = strlen(header);
    uint64_t size = claimed != 0 ? claimed : length;
    memcpy(bytes, &size, 8);
    memcpy(bytes + 8, header, length);
    write_bytes(path, bytes, 8 + length + data);
    return 8 + length + data;
}

#define Z(dtype, shape, offsets)                                               \
    "{\"z\":{\"dtype\":\"" dtype "\",\"shape\":" shape                         \
    ",\"data_offsets\":" offsets "}}"
#define NAMED(name, offsets)                                                   \
    "\"" name "\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" offsets "}"

static void bad_headers_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint64_t claimed;
        const char *header;
        size_t data;
        const char *words;
    } cases[] = {
        {2, "", 0, "claims a header of 2 bytes"},
        {100, Z("F32", "[1]", "[0,4]"), 4, "claims a header of 100 bytes"},
        {100000001, "{}", 0, "claims a header of 100000001"},
        {UINT64_MAX, "{}", 0, "claims a header of 18446744073709551615"},
        {UINT64_MAX - 7, "{}", 0, "claims a header"},
        {0, "{\"z\":", 0, "no valid JSON"},
        {0, "[]", 0, "no JSON object"},
        {0, "7", 0, "no valid JSON"},
        {0, "{\"z\":1}", 0, "is no object"},
        {0, "{\"z\":{}}", 0, "'dtype' is missing"},
        {0, Z("F8_E4M3", "[4]", "[0,4]"), 4, "unknown dtype 'F8_E4M3'"},
        {0, Z("f32", "[1]", "[0,4]"), 4, "unknown dtype 'f32'"},
        {0, "{\"z\":{\"dtype\":4,\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
         "'dtype' must be a string"},
        {0, Z("F32", "{}", "[0,4]"), 4, "'shape' must be an array"},
        {0, Z("F32", "[1.0]", "[0,4]"), 4, "no whole number"},
        {0, Z("F32", "[-1]", "[0,4]"), 4, "negative size -1"},
        {0, Z("F32", "[99999999999999999999]", "[0,4]"), 4, "no valid JSON"},
        {0, Z("F32", "[4611686018427387905]", "[0,4]"), 4, "too large"},
        {0, Z("F32", "[4294967296,4294967297]", "[0,4]"), 4, "too large"},
        {0, Z("F32", "[0,4294967296,4294967297]", "[0,0]"), 0, "too large"},
        {0, Z("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "9 axes"},
        {0, Z("F32", "[1]", "[0]"), 4, "two whole numbers"},
        {0, Z("F32", "[1]", "[0,4,8]"), 4, "two whole numbers"},
        {0, Z("F32", "[1]", "[0,4.0]"), 4, "two whole numbers"},
        {0, Z("F32", "[1]", "[-4,0]"), 4, "no range"},
        {0, Z("F32", "[1]", "[4,0]"), 4, "no range"},
        {0, Z("F32", "[2]", "[0,8]"), 4, "data ends at byte 8"},
        {0, Z("F32", "[2]", "[0,4]"), 4,
         "span 4 bytes, dtype and shape need 8"},
        {0, Z("F16", "[2]", "[0,8]"), 8,
         "span 8 bytes, dtype and shape need 4"},
        {0, Z("F32", "[1]", "[4,8]"), 8, "4 bytes before tensor 'z'"},
        {0, Z("F32", "[1]", "[0,4]"), 5, "1 bytes at the end"},
        {0, "{" NAMED("a", "[0,4]") "," NAMED("b", "[2,6]") "}", 6,
         "'b' overlaps tensor 'a'"},
        {0, "{" NAMED("a", "[0,4]") "," NAMED("b", "[0,4]") "}", 4, "overlaps"},
        {0, "{" NAMED("a", "[0,4]") "," NAMED("b", "[5,9]") "}", 9,
         "1 bytes before tensor 'b'"},
        {0, "{" NAMED("a", "[0,4]") "," NAMED("a", "[4,8]") "}", 8,
         "duplicate"},
        {0, "{" NAMED("../a", "[0,4]") "}", 4, "name '../a' is refused"},
        {0, "{" NAMED("a/b", "[0,4]") "}", 4, "name 'a/b' is refused"},
        {0, "{" NAMED("a..b", "[0,4]") "}", 4, "name 'a..b' is refused"},
        {0, "{" NAMED("a\\nb", "[0,4]") "}", 4, "is refused"},
        {0, "{" NAMED("a\\u007f", "[0,4]") "}", 4, "is refused"},
        {0, "{" NAMED("a\\u0000b", "[0,4]") "}", 4, "no valid JSON"},
        {0, "{" NAMED("", "[0,4]") "}", 4, "is refused"},
        {0, "{\"__metadata__\":{\"a\":1}}", 0, "object of strings"},
        {0, "{\"__metadata__\":[]}", 0, "object of strings"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct safetensors s;
        struct err e = {0};
        (void)make_file("bad.safetensors", cases[i].claimed, cases[i].header,
                        cases[i].data);
        int code = safetensors_open(&s, "bad.safetensors", &e);
        assert_refused(code, &e, cases[i].words);
        assert_non_null(strstr(e.msg, "bad.safetensors"));
        assert_null(s.map.data);
    }
}

/* Of a good file every shorter one is refused, and one with a byte more. */
static void cut_files_are_refused(void **state)
{
    (void)state;
    char bytes[4096];
    size_t size = make_file("whole", 0, Z("F32", "[3]", "[0,12]"), 12);
    FILE *f = fopen("whole", "rb");
    assert_non_null(f);
    assert_int_equal(fread(bytes, 1, sizeof bytes, f), size);
    assert_int_equal(fclose(f), 0);
    bytes[size] = 0;
    for (size_t n = 0; n <= size + 1; n++) {
        struct safetensors s;
        struct err e = {0};
        write_bytes("cut", bytes, n);
        int code = safetensors_open(&s, "cut", &e);
        if (n == size)
            assert_int_equal(code, 0);
        else
            assert_refused(code, &e, "cut");
        safetensors_close(&s);
    }
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    struct safetensors s;
    struct err e = {0};
    assert_refused(safetensors_open(&s, ".", &e), &e, "regular file");
    assert_refused(safetensors_open(&s, "missing", &e), &e, "missing");
    write_text("locked", "x");
    assert_int_equal(chmod("locked", 0), 0);
    if (geteuid() != 0) /* root may read it all the same */
        assert_refused(safetensors_open(&s, "locked", &e), &e, "locked");
}

static void tensors_come_in_the_order_of_data(void **state)
{
    (void)state;
    struct safetensors s;
    struct err e = {0};
    (void)make_file(
        "f", 0,
        "{\"__metadata__\":{\"k\":\"v\"}," NAMED("b", "[4,8]") "," NAMED(
            "a", "[0,4]") ",\"none\":{\"dtype\":\"F32\",\"shape\":[0,3],"
                          "\"data_offsets\":[4,4]}}   ",
        8);
    assert_int_equal(safetensors_open(&s, "f", &e), 0);
    assert_int_equal(s.n, 3);
    assert_string_equal(s.names[0], "a");
    assert_string_equal(s.names[1], "none");
    assert_string_equal(s.names[2], "b");
    assert_int_equal(
        (const char *)s.tensors[2].data - (const char *)s.tensors[0].data, 4);
    assert_ptr_equal(safetensors_find(&s, "b"), &s.tensors[2]);
    assert_null(safetensors_find(&s, "c"));
    safetensors_close(&s);
}

static const struct safetensors_entry entries[] = {
    {"W_enc", DTYPE_F32, 2, {2, 3}}, {"none", DTYPE_BF16, 2, {0, 3}},
    {"b", DTYPE_F16, 1, {3}},        {"scalar", DTYPE_I64, 0, {0}},
    {"mask", DTYPE_BOOL, 1, {1}},
};
enum { N_ENTRIES = 5, DATA_BYTES = 24 + 6 + 8 + 1 };

static void written_files_are_read_back(void **state)
{
    (void)state;
    unsigned char data[DATA_BYTES];
    struct safetensors_writer w;
    struct safetensors s;
    struct err e = {0};
    for (size_t i = 0; i < DATA_BYTES; i++)
        data[i] = (unsigned char)(i + 1);
    assert_int_equal(safetensors_begin(&w, "out", entries, N_ENTRIES, &e), 0);
    assert_int_equal(w.left, DATA_BYTES);
    assert_int_equal(safetensors_put(&w, data, 10, &e), 0);
    assert_int_equal(safetensors_put(&w, data + 10, DATA_BYTES - 10, &e), 0);
    assert_int_equal(safetensors_end(&w, &e), 0);

    assert_int_equal(safetensors_open(&s, "out", &e), 0);
    assert_int_equal(s.n, N_ENTRIES);
    assert_int_equal(w.bytes, s.map.size);
    assert_true(w.xxh3 == XXH3_64bits(s.map.data, s.map.size));
    assert_int_equal(((uintptr_t)s.tensors[0].data - (uintptr_t)s.map.data) % 8,
                     0);
    for (size_t i = 0; i < N_ENTRIES; i++) {
        const struct tensor *t = safetensors_find(&s, entries[i].name);
        assert_non_null(t);
        assert_int_equal(t->dtype, entries[i].dtype);
        assert_int_equal(t->rank, entries[i].rank);
        assert_memory_equal(t->shape, entries[i].shape, sizeof t->shape);
    }
    assert_memory_equal(safetensors_find(&s, "W_enc")->data, data, DATA_BYTES);
    safetensors_close(&s);
    safetensors_abandon(&w);
}

static void missing_data_is_an_error(void **state)
{
    (void)state;
    struct safetensors_writer w;
    struct err e = {0};
    assert_int_equal(safetensors_begin(&w, "short", entries, 1, &e), 0);
    assert_int_equal(safetensors_put(&w, "12345678", 8, &e), 0);
    assert_int_not_equal(safetensors_end(&w, &e), 0);
    assert_non_null(strstr(e.msg, "16 bytes"));
    safetensors_abandon(&w);
    assert_refused(safetensors_begin(&w, "no/such/folder", entries, 1, &e), &e,
                   "no/such/folder");
}

static void a_full_disk_is_the_users_to_mend(void **state)
{
    (void)state;
    struct safetensors_writer w;
    struct err e = {0};
    if (access("/dev/full", W_OK) != 0)
        skip();
    int code = safetensors_begin(&w, "/dev/full", entries, 1, &e);
    if (code == 0)
        code = safetensors_put(&w, "123456781234567812345678", 24, &e);
    if (code == 0)
        code = safetensors_end(&w, &e);
    assert_refused(code, &e, "cannot write /dev/full");
    safetensors_abandon(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_headers_are_refused),
        cmocka_unit_test(cut_files_are_refused),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(tensors_come_in_the_order_of_data),
        cmocka_unit_test(written_files_are_read_back),
        cmocka_unit_test(missing_data_is_an_error),
        cmocka_unit_test(a_full_disk_is_the_users_to_mend),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
