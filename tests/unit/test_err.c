/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/err.h"

static void a_message_stays_one_line(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(err_set(&e, ERR_INPUT, "%s: bad", "a\nb\x1b[2J\x7f\t"),
                     ERR_INPUT);
    assert_string_equal(e.msg, "a?b?[2J??: bad");
    assert_int_equal(err_prefix(&e, "in\r%s", "x\ny"), ERR_INPUT);
    assert_string_equal(e.msg, "in?x?y: a?b?[2J??: bad");
}

static void a_long_message_is_cut_and_ended(void **state)
{
    (void)state;
    struct err e;
    char name[3000];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    memset(&e, 'y', sizeof e);
    (void)err_set(&e, ERR_INPUT, "%s", name);
    assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
    errno = ENOENT;
    (void)err_errno(&e, "%s", name);
    assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
    (void)err_prefix(&e, "%s", name);
    assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
}

static void errno_tells_who_can_mend_it(void **state)
{
    (void)state;
    static const struct {
        int number, code;
    } rows[] = {{ENOENT, ERR_INPUT}, {EACCES, ERR_INPUT}, {ENOSPC, ERR_INPUT},
                {EFBIG, ERR_INPUT},  {EIO, ERR_SYSTEM},   {EMFILE, ERR_SYSTEM}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = {0};
        errno = rows[i].number;
        assert_int_equal(err_errno(&e, "cannot read %s", "f"), rows[i].code);
        assert_int_equal(e.code, rows[i].code);
        assert_non_null(strstr(e.msg, "cannot read f: "));
        assert_non_null(strstr(e.msg, strerror(rows[i].number)));
    }
}

static void a_null_err_is_allowed(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, ERR_USAGE, "x"), ERR_USAGE);
    errno = EIO;
    assert_int_equal(err_errno(NULL, "x"), ERR_SYSTEM);
    assert_int_equal(err_memory(NULL, "x", 1), ERR_MEMORY);
}

static void codes_have_the_exit_statuses_of_the_manual(void **state)
{
    (void)state;
    assert_int_equal(err_exit_status(0), 0);
    assert_int_equal(err_exit_status(ERR_USAGE), 1);
    assert_int_equal(err_exit_status(ERR_INPUT), 2);
    assert_int_equal(err_exit_status(ERR_SYSTEM), 3);
    assert_int_equal(err_exit_status(ERR_MEMORY), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_stays_one_line),
        cmocka_unit_test(a_long_message_is_cut_and_ended),
        cmocka_unit_test(errno_tells_who_can_mend_it),
        cmocka_unit_test(a_null_err_is_allowed),
        cmocka_unit_test(codes_have_the_exit_statuses_of_the_manual),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
