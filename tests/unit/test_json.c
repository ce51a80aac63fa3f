/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"

static const char path[] = "test_json.tmp";

static void put(const char *text, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static int leave(void **state)
{
    (void)state;
    (void)unlink(path);
    return 0;
}

static void broken_files_are_named_with_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } rows[] = {{"", "empty"},
                {"{\n\"a\": 1,\n}", "line 3"},
                {"{\"a\": 1, \"a\": 2}", "duplicate"},
                {"{\"a\": \"\xff\"}", "decode byte 0xff"},
                {"{} x", "end of file"},
                {"{\"a\": 99999999999999999999}", "too big"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put(rows[i].text, strlen(rows[i].text));
        json_t *root;
        struct err e = {0};
        assert_int_equal(json_read(&root, path, &e), ERR_INPUT);
        assert_null(root);
        assert_non_null(strstr(e.msg, path));
        if (strstr(e.msg, rows[i].words) == NULL)
            fail_msg("'%s' does not say '%s'", e.msg, rows[i].words);
    }
}

/* Brackets without end must not exhaust the stack. */
static void deep_nesting_is_an_error(void **state)
{
    (void)state;
    static char text[1000000];
    memset(text, '[', sizeof text);
    put(text, sizeof text);
    json_t *root;
    struct err e = {0};
    assert_int_equal(json_read(&root, path, &e), ERR_INPUT);
}

static void a_written_file_reads_back_in_order(void **state)
{
    (void)state;
    struct err e = {0};
    json_t *out = json_pack("{s:i, s:[s], s:f}", "z", 1, "a", "x", "m", 0.1);
    assert_int_equal(json_write(path, out, &e), 0);
    json_t *in;
    assert_int_equal(json_read(&in, path, &e), 0);
    assert_true(json_equal(in, out));
    const char *key;
    json_t *value;
    char order[8] = "";
    json_object_foreach(in, key, value)(void) strncat(order, key, 1);
    assert_string_equal(order, "zam");
    json_decref(in);
    json_decref(out);
    assert_int_equal(json_write("no-such-folder/f", NULL, &e), ERR_INPUT);
}

static void required_members_are_checked(void **state)
{
    (void)state;
    struct err e = {0};
    json_t *o = json_pack("{s:i, s:s, s:b, s:n, s:f}", "i", 5, "s", "t", "b", 1,
                          "n", "r", 5.0);
    int64_t i = -1;
    bool b = false;
    const char *s = NULL;
    assert_int_equal(json_need_int(&i, o, "i", 5, 5, "f", &e), 0);
    assert_int_equal(i, 5);
    assert_int_equal(json_need_string(&s, o, "s", "f", &e), 0);
    assert_string_equal(s, "t");
    assert_int_equal(json_need_bool(&b, o, "b", "f", &e), 0);
    assert_true(b);

    assert_int_equal(json_need_int(&i, o, "i", 6, 9, "f", &e), ERR_INPUT);
    assert_string_equal(e.msg, "f: 'i' is 5, outside 6..9");
    assert_int_equal(json_need_int(&i, o, "r", 0, 9, "f", &e), ERR_INPUT);
    assert_string_equal(e.msg, "f: 'r' must be a whole number");
    assert_int_equal(json_need_int(&i, o, "x", 0, 9, "f", &e), ERR_INPUT);
    assert_string_equal(e.msg, "f: 'x' is missing");
    assert_int_equal(json_need_string(&s, o, "n", "f", &e), ERR_INPUT);
    assert_int_equal(json_need_bool(&b, o, "i", "f", &e), ERR_INPUT);
    assert_string_equal(e.msg, "f: 'i' must be true or false");
    json_decref(o);
}

static void optional_members_fall_back(void **state)
{
    (void)state;
    struct err e = {0};
    json_t *o = json_pack("{s:n, s:s, s:i}", "null", "text", "t", "i", 3);
    int64_t i = 0;
    double r = 0;
    bool b = false;
    const char *s = NULL;
    assert_int_equal(json_get_int(&i, o, "absent", 0, 9, 7, "f", &e), 0);
    assert_int_equal(i, 7);
    assert_int_equal(json_get_int(&i, o, "null", 0, 9, 8, "f", &e), 0);
    assert_int_equal(i, 8);
    assert_int_equal(json_get_real(&r, o, "i", 0.5, "f", &e), 0);
    assert_true(r == 3.0); /* whole numbers are reals too */
    assert_int_equal(json_get_bool(&b, o, "absent", true, "f", &e), 0);
    assert_true(b);
    assert_int_equal(json_get_string(&s, o, "null", "d", "f", &e), 0);
    assert_string_equal(s, "d");

    assert_int_equal(json_get_int(&i, o, "text", 0, 9, 7, "f", &e), ERR_INPUT);
    assert_int_equal(json_get_int(&i, o, "i", 4, 9, 7, "f", &e), ERR_INPUT);
    assert_int_equal(json_get_real(&r, o, "text", 0, "f", &e), ERR_INPUT);
    assert_int_equal(json_get_bool(&b, o, "i", true, "f", &e), ERR_INPUT);
    assert_int_equal(json_get_string(&s, o, "i", "d", "f", &e), ERR_INPUT);
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_files_are_named_with_their_line),
        cmocka_unit_test(deep_nesting_is_an_error),
        cmocka_unit_test(a_written_file_reads_back_in_order),
        cmocka_unit_test(required_members_are_checked),
        cmocka_unit_test(optional_members_fall_back),
    };
    return cmocka_run_group_tests(tests, NULL, leave);
}
