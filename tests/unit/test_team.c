/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "base/team.h"

enum { ITEMS = 5000 };

struct tally {
    atomic_int visits[ITEMS];
    atomic_int in_workspace[64]; /* threads that use a workspace now */
    atomic_bool shared_workspace, bad_thread;
    int threads;
};

static void visit(void *ctx, size_t item, int thread)
{
    struct tally *t = ctx;
    if (thread < 0 || thread >= t->threads) {
        t->bad_thread = true;
        return;
    }
    if (atomic_fetch_add(&t->in_workspace[thread], 1) != 0)
        t->shared_workspace = true;
    (void)atomic_fetch_add(&t->visits[item], 1);
    (void)atomic_fetch_sub(&t->in_workspace[thread], 1);
}

static void each_item_is_done_once(void **state)
{
    (void)state;
    static struct tally t;
    static const int threads[] = {1, 2, 7};
    static const size_t items[] = {0, 1, 3, ITEMS};
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 4; j++) {
            memset(&t, 0, sizeof t);
            t.threads = threads[i];
            struct team team = team_make(threads[i]);
            assert_int_equal(team.threads, threads[i]);
            team_run(&team, visit, &t, items[j]);
            for (size_t k = 0; k < ITEMS; k++)
                assert_int_equal(t.visits[k], k < items[j]);
            assert_false(t.shared_workspace);
            assert_false(t.bad_thread);
        }
}

static void zero_threads_means_all(void **state)
{
    (void)state;
    assert_true(team_make(0).threads >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_item_is_done_once),
        cmocka_unit_test(zero_threads_means_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
