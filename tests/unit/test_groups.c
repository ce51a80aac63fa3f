/* SPDX-License-Identifier: MIT
 *
 * Prefixes as typed: what is read from sizes and shares, what is refused, and
 * which group a feature on a border belongs to.
 */
#include "tests/unit/scratch.h"

#include "train/groups.h"

enum { M = 4096 };

static void test_sizes_and_shares(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n, end[5];
    } rows[] = {
        {GROUPS_DEFAULT, 5, {128, 384, 896, 1920, M}},
        {"1/32,3/32,7/32,15/32,1", 5, {128, 384, 896, 1920, M}},
        {"0.25,2k,4096", 3, {1024, 2000, M}},
        {"2,3", 3, {2, 3, M}},
        {"1", 1, {M}},
        {"4096", 1, {M}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct groups g;
        struct err e = {0};
        assert_int_equal(groups_parse(&g, rows[i].text, M, &e), 0);
        assert_int_equal(g.n, rows[i].n);
        for (size_t p = 0; p < g.n; p++)
            assert_int_equal(g.end[p], rows[i].end[p]);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", "wants sizes"},
        {"2,", "wants sizes"},
        {"2,,3", "wants sizes"},
        {"-2", "wants sizes"},
        {"1.5", "wants sizes"},
        {"3/2", "wants sizes"},
        {"1/0", "wants sizes"},
        {"1/", "wants sizes"},
        {"nan", "wants sizes"},
        {"2 3", "wants sizes"},
        {"2,2", "2 features after one of 2"},
        {"1/32,128", "128 features after one of 128"},
        {"3,2", "2 features after one of 3"},
        {"4097", "up to the 4096 features"},
        {"1e-9", "a prefix of 0 features"},
        {"2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18", "more than 16"},
        {"2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "more than 16"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct groups g;
        struct err e = {0};
        assert_refused(groups_parse(&g, rows[i][0], M, &e), &e, rows[i][1]);
    }
}

static void test_borders(void **state)
{
    (void)state;
    static const struct groups g = {.n = 3, .end = {2, 5, 9}}, none;
    static const size_t want[9] = {0, 0, 1, 1, 1, 2, 2, 2, 2};
    for (size_t i = 0; i < 9; i++) {
        assert_int_equal(groups_of(&g, i), want[i]);
        assert_int_equal(groups_of(&none, i), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_and_shares),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_borders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
