/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/arena.h"

static void pieces_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct arena a = {0};
    struct err e = {0};
    unsigned char *p[100];
    for (size_t i = 0; i < 100; i++) { /* more than the first table holds */
        assert_int_equal(arena_get(&a, &p[i], i, 3, "piece", &e), 0);
        assert_int_equal((uintptr_t)p[i] % 64, 0);
        for (size_t j = 0; j < 3 * i; j++)
            assert_int_equal(p[i][j], 0);
        memset(p[i], (int)i, 3 * i);
    }
    for (size_t i = 0; i < 100; i++)
        for (size_t j = 0; j < 3 * i; j++)
            assert_int_equal(p[i][j], i);
    arena_free(&a);
    assert_int_equal(a.n_blocks, 0);
    assert_int_equal(a.bytes, 0);
    arena_free(&a);
}

static void sizes_that_do_not_fit_are_errors(void **state)
{
    (void)state;
    struct arena a = {0};
    struct err e = {0};
    void *p = &a;
    static const size_t counts[][2] = {{SIZE_MAX, 2},
                                       {SIZE_MAX, 1},
                                       {SIZE_MAX / 2 + 1, 2},
                                       {SIZE_MAX - 10, 1}};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(
            arena_get(&a, &p, counts[i][0], counts[i][1], "codes", &e),
            ERR_MEMORY);
        assert_non_null(strstr(e.msg, "codes"));
        assert_ptr_equal(p, &a);
    }
    arena_free(&a);
}

static void strings_are_copied(void **state)
{
    (void)state;
    struct arena a = {0};
    struct err e = {0};
    char source[] = "layer", *copy;
    assert_int_equal(arena_string(&a, &copy, source, &e), 0);
    source[0] = 'X';
    assert_string_equal(copy, "layer");
    arena_free(&a);
}

static void lists_are_cut_at_commas(void **state)
{
    (void)state;
    struct arena a = {0};
    struct err e = {0};
    const char *const lists[] = {"one", "a,b", ",,", ""};
    const char *const items[][3] = {{"one"}, {"a", "b"}, {"", "", ""}, {""}};
    const size_t counts[] = {1, 2, 3, 1};
    for (size_t i = 0; i < 4; i++) {
        char **got;
        size_t n = 99;
        assert_int_equal(arena_list(&a, &got, &n, lists[i], &e), 0);
        assert_int_equal(n, counts[i]);
        for (size_t j = 0; j < n; j++)
            assert_string_equal(got[j], items[i][j]);
    }
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
        cmocka_unit_test(sizes_that_do_not_fit_are_errors),
        cmocka_unit_test(strings_are_copied),
        cmocka_unit_test(lists_are_cut_at_commas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
