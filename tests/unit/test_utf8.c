/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* Every code point survives, and the boundaries of RFC 3629 hold: what
 * utf8_encode makes of a surrogate or of more than U+10FFFF is not valid. */
static void every_code_point_round_trips(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x110800; c++) {
        char bytes[4];
        size_t n = utf8_encode(bytes, c);
        bool valid = c <= 0x10FFFF && !(c >= 0xD800 && c <= 0xDFFF);
        if (utf8_valid_prefix(bytes, n) != (valid ? n : 0))
            fail_msg("U+%04X", (unsigned)c);
        for (size_t cut = 0; valid && cut < n; cut++)
            assert_int_equal(utf8_valid_prefix(bytes, cut), 0);
    }
}

static void what_is_not_utf8_is_found_where_it_stands(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t valid;
    } rows[] = {
        {"abc", 3},
        {"ab\x80", 2},           /* a continuation alone */
        {"a\xC0\x80", 1},        /* NUL in two bytes */
        {"a\xC1\xBF", 1},        /* DEL in two bytes */
        {"\xE0\x9F\xBF", 0},     /* two bytes' worth in three */
        {"\xF0\x8F\xBF\xBF", 0}, /* three bytes' worth in four */
        {"\xED\xA0\x80", 0},     /* a surrogate */
        {"\xF4\x90\x80\x80", 0}, /* U+110000 */
        {"\xF5\x80\x80\x80", 0}, /* no such lead byte */
        {"\xFF", 0},
        {"\xC3\xA9\xC3", 2}, /* cut short */
        {"\xE2\x82x", 0},    /* broken off */
        {"\xF0\x9F\x98\x80!", 5},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(utf8_valid_prefix(rows[i].text, strlen(rows[i].text)),
                         rows[i].valid);
    assert_int_equal(utf8_valid_prefix("a\0b", 3), 3);
    assert_int_equal(utf8_valid_prefix("", 0), 0);
}

static void repair_keeps_what_is_valid(void **state)
{
    (void)state;
    char text[] = "a\xFF\xC3\xA9\xE2\x82z\x80";
    utf8_repair(text);
    assert_string_equal(text, "a?\xC3\xA9??z?");
    char empty[] = "";
    utf8_repair(empty);
    assert_string_equal(empty, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_round_trips),
        cmocka_unit_test(what_is_not_utf8_is_found_where_it_stands),
        cmocka_unit_test(repair_keeps_what_is_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
