/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"

static char folder[] = "map-XXXXXX";
static char path[64];

static int enter(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    (void)snprintf(path, sizeof path, "%s/f", folder);
    return 0;
}

static int leave(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void a_file_is_its_bytes(void **state)
{
    (void)state;
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite("a\0b", 1, 3, f), 3);
    assert_int_equal(fclose(f), 0);
    struct map m;
    struct err e = {0};
    assert_int_equal(map_open(&m, path, &e), 0);
    assert_int_equal(m.size, 3);
    assert_memory_equal(m.data, "a\0b", 3);
    map_advise_sequential(&m);
    map_close(&m);
    assert_null(m.data);
    map_close(&m);
    assert_int_equal(unlink(path), 0);
}

static void an_empty_file_has_no_bytes(void **state)
{
    (void)state;
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    struct map m;
    struct err e = {0};
    assert_int_equal(map_open(&m, path, &e), 0);
    assert_null(m.data);
    assert_int_equal(m.size, 0);
    map_advise_sequential(&m);
    map_close(&m);
    assert_int_equal(unlink(path), 0);
}

static void expect_refusal(const char *what, const char *words)
{
    struct map m;
    struct err e = {0};
    assert_int_equal(map_open(&m, what, &e), ERR_INPUT);
    assert_non_null(strstr(e.msg, what));
    assert_non_null(strstr(e.msg, words));
    assert_null(m.data);
}

/* Opening a pipe that nobody writes must not wait for ever. */
static void only_files_can_be_mapped(void **state)
{
    (void)state;
    expect_refusal(folder, "regular file");
    expect_refusal("/dev/null", "regular file");
    expect_refusal(path, "No such file");
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_refusal(path, "regular file");
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_its_bytes),
        cmocka_unit_test(an_empty_file_has_no_bytes),
        cmocka_unit_test(only_files_can_be_mapped),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
