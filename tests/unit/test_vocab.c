/* SPDX-License-Identifier: MIT
 *
 * Catches: bytes that change on the way to disk and back, an alphabet undone
 * wrongly, ids that do not fit, and token text taken for C strings.
 */
#include "scratch.h"

#include "dump/vocab.h"

static void any_bytes_survive(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
    } tokens[] = {
        {"plain", 5},        {"", 0},        {" \"quoted\" \\ \n", 13},
        {"\xc3\xa9", 2},     {"\xc3", 1},    {"\xa9 rest", 6},
        {"a\0b", 3},         {"\0", 1},      {"\xf0\x9f\x98\x80", 4},
        {"\xed\xa0\x80", 3}, {"\xff\xfe", 2}};
    enum { N = sizeof tokens / sizeof *tokens };
    struct vocab v, back;
    struct err e = {0};
    assert_int_equal(vocab_init(&v, N, &e), 0);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(
            vocab_set(&v, i, tokens[i].bytes, tokens[i].length, &e), 0);
    assert_int_equal(vocab_write(&v, "vocab.json", &e), 0);
    assert_int_equal(vocab_read(&back, "vocab.json", &e), 0);
    assert_int_equal(back.n, N);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(back.length[i], tokens[i].length);
        assert_memory_equal(back.text[i], tokens[i].bytes, tokens[i].length);
        assert_int_equal(back.text[i][back.length[i]], '\0');
    }
    vocab_free(&v);
    vocab_free(&back);
}

static void a_new_vocabulary_is_empty_strings(void **state)
{
    (void)state;
    struct vocab v;
    struct err e = {0};
    assert_int_equal(vocab_init(&v, 3, &e), 0);
    assert_string_equal(v.text[2], "");
    assert_int_equal(v.length[2], 0);
    vocab_free(&v);
    vocab_free(&v);
}

static void the_alphabet_of_gpt2_is_undone(void **state)
{
    (void)state;
    struct vocab v;
    struct err e = {0};
    /* Ġ is the space, Ċ the newline, Ā NUL, ġ 0x7f, ł 0xa0, Ń 0xad; é stands
     * for the byte 0xe9. */
    write_text("vocab.json", "{\"\xc4\xa0Lily\": 1, \"!\": 0, \"\xc4\x8a\": 2, "
                             "\"\xc3\xa9\": 3, \"\xc4\x80\": 4, "
                             "\"\xc4\xa1\xc5\x82\xc5\x83\": 5}");
    assert_int_equal(vocab_read_tokenizer(&v, ".", &e), 0);
    assert_int_equal(v.n, 6);
    assert_string_equal(v.text[0], "!");
    assert_string_equal(v.text[1], " Lily");
    assert_string_equal(v.text[2], "\n");
    assert_string_equal(v.text[3], "\xe9");
    assert_int_equal(v.length[4], 1);
    assert_int_equal(v.text[4][0], 0);
    assert_string_equal(v.text[5], "\x7f\xa0\xad");
    vocab_free(&v);
}

static void bad_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json, *words;
    } cases[] = {
        {"", "is empty"},
        {"7", "no valid JSON"},
        {"[]", "no tokens"},
        {"{}", "no tokens"},
        {"[\"a\", 1]", "token 1 is neither"},
        {"[[256]]", "from 0 to 255"},
        {"[[-1]]", "from 0 to 255"},
        {"[[1.5]]", "from 0 to 255"},
        {"[[\"a\"]]", "from 0 to 255"},
        {"{\"a\": 0, \"a\": 1}", "duplicate"},
        {"{\"a\": 0, \"b\": 0}", "two tokens have the id 0"},
        {"{\"a\": 0, \"b\": 2}", "'b' must have an id from 0 to 1"},
        {"{\"a\": -1}", "'a' must have an id"},
        {"{\"a\": 1e3}", "'a' must have an id"},
        {"{\"a\": 9223372036854775807}", "'a' must have an id"},
        {"{\"a b\": 0}", "byte alphabet"},
        {"{\"\xe2\x96\x81the\": 0}", "byte alphabet"},
        {"{\"\xc5\x84\": 0}", "byte alphabet"},
        {"{\"\xc2\xad\": 0}", "byte alphabet"},
        {"[\"\xff\"]", "no valid JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct vocab v;
        struct err e = {0};
        write_text("bad.json", cases[i].json);
        assert_refused(vocab_read(&v, "bad.json", &e), &e, cases[i].words);
        assert_int_equal(v.n, 0);
    }
    struct vocab v;
    struct err e = {0};
    assert_refused(vocab_read(&v, "missing.json", &e), &e, "missing.json");
    assert_refused(vocab_read_tokenizer(&v, "missing", &e), &e,
                   "missing/vocab.json");
    vocab_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bytes_survive),
        cmocka_unit_test(a_new_vocabulary_is_empty_strings),
        cmocka_unit_test(the_alphabet_of_gpt2_is_undone),
        cmocka_unit_test(bad_files_are_refused),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
