/* SPDX-License-Identifier: MIT
 *
 * Rows in bulk: none is lost or doubled however the source cuts them, pages end
 * up full, and a failure of the source stays what it is.
 */
#include <sqlite3.h>

#include "scratch.h"
#include "store/full_pages.h"
#include "store/stream.h"

static struct err e;

/* Rows 0, 1, 2, ... in pieces of 1 to `most`; fails at row `bad`. */
struct numbers {
    uint32_t next, n, most, bad;
    struct store_activation rows[5000];
};

static int next_numbers(void *ctx, const void **rows, size_t *n,
                        struct err *err)
{
    struct numbers *x = ctx;
    uint32_t piece = 1 + x->next * 7919 % x->most;
    piece = x->n - x->next < piece ? x->n - x->next : piece;
    for (uint32_t i = 0; i < piece; i++) {
        uint32_t at = x->next + i;
        if (at == x->bad)
            return err_set(err, ERR_INTERRUPTED, "stop at %u", at);
        x->rows[i] =
            (struct store_activation){.feature = at / 1000,
                                      .token = at,
                                      .level = (uint8_t)(1 + at % 100)};
    }
    x->next += piece;
    *rows = x->rows;
    *n = piece;
    return 0;
}

static struct numbers numbers;

static struct store_source begin(uint32_t n, uint32_t most, uint32_t bad)
{
    numbers = (struct numbers){.n = n, .most = most, .bad = bad};
    return (struct store_source){next_numbers, &numbers};
}

/* ---- the order ---- */

static void check_order(uint32_t n, uint32_t most)
{
    struct store_source source = begin(n, most, UINT32_MAX);
    struct full_pages d;
    bool *seen = calloc(n + 1, sizeof *seen);
    uint32_t total = 0, last = 0, back = 0;
    assert_int_equal(
        full_pages_init(&d, &source, sizeof(struct store_activation), &e), 0);
    for (;;) {
        const void *rows;
        size_t got;
        assert_int_equal(full_pages_next(&d, &rows, &got, &e), 0);
        if (got == 0)
            break;
        const struct store_activation *a = rows;
        for (size_t i = 0; i < got; i++, total++) {
            assert_in_range(a[i].token, 0, n - 1);
            assert_false(seen[a[i].token]);
            assert_int_equal(a[i].level, 1 + a[i].token % 100);
            seen[a[i].token] = true;
            back += a[i].token < last;
            last = a[i].token;
        }
    }
    assert_int_equal(total, n);
    /* Two turns a block, no more: rows behind the last are cheap, others not.
     */
    assert_in_range(back, 0, n / 9000 + 2);
    full_pages_free(&d);
    free(seen);
}

static void test_each_row_once(void **state)
{
    (void)state;
    static const uint32_t counts[] = {0,    1,    4,    5,     8,     9,     10,
                                      9215, 9216, 9217, 18432, 20000, 100000};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        for (uint32_t most = 1; most <= 5000; most = 1 + 17 * most)
            check_order(counts[i], most);
}

/* ---- the insertion ---- */

static const struct stream_shape shape = {
    .table = "rows",
    .row_bytes = sizeof(struct store_activation),
    .columns = 3,
    .column = {{STREAM_U32, offsetof(struct store_activation, feature)},
               {STREAM_U32, offsetof(struct store_activation, token)},
               {STREAM_U8, offsetof(struct store_activation, level)}},
};

static sqlite3 *create(void)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
                     "PRAGMA page_size = 16384; CREATE TABLE rows "
                     "(sae INTEGER NOT NULL, feature INTEGER NOT NULL, "
                     "token INTEGER NOT NULL, level INTEGER NOT NULL "
                     "CHECK (level BETWEEN 1 AND 255), "
                     "PRIMARY KEY (sae, feature, token)) STRICT, WITHOUT ROWID",
                     NULL, NULL, NULL),
        SQLITE_OK);
    return db;
}

static double ask(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    double value = sqlite3_column_double(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return value;
}

static int insert(sqlite3 *db, int64_t sae, const struct store_source *rows)
{
    struct stream_keys keys = {sae, 0};
    return stream_insert(db, "rows", &shape, &keys, rows, &e);
}

/* 11 to 12 bytes of record, 3 of the page's for each: 14.4 here. In key order
 * they would take 16.4. */
static void test_pages_are_full(void **state)
{
    (void)state;
    enum { ROWS = 400000 };
    sqlite3 *db = create();
    struct store_source source = begin(ROWS, 5000, UINT32_MAX);
    assert_int_equal(insert(db, 1, &source), 0);
    assert_int_equal(ask(db, "SELECT count(*) FROM rows"), ROWS);
    assert_int_equal(ask(db, "SELECT count(*) FROM rows WHERE sae <> 1 OR "
                             "feature <> token / 1000 OR "
                             "level <> 1 + token % 100"),
                     0);
    assert_true(ask(db, "SELECT 1.0 * sum(unused) / sum(pgsize) FROM dbstat "
                        "WHERE name = 'rows' AND pagetype = 'leaf'") < 0.03);
    /* A second SAE behind the first. */
    source = begin(10, 3, UINT32_MAX);
    assert_int_equal(insert(db, 2, &source), 0);
    assert_int_equal(ask(db, "SELECT count(*) FROM rows WHERE sae = 2"), 10);
    (void)sqlite3_close(db);
}

static void test_failures(void **state)
{
    (void)state;
    sqlite3 *db = create();
    struct store_source source = begin(100000, 50, 70000);
    assert_int_equal(insert(db, 1, &source), ERR_INTERRUPTED);
    assert_string_equal(e.msg, "stop at 70000");
    /* A statement is whole or not at all. */
    assert_int_equal(ask(db, "SELECT count(*) FROM rows"), 0);
    /* A row that breaks the schema: the key twice. */
    struct store_activation twice[] = {{1, 2, 3, 0}, {1, 2, 3, 0}};
    struct store_array array = {twice, 2};
    source = (struct store_source){store_array_next, &array};
    assert_int_equal(insert(db, 1, &source), ERR_SYSTEM);
    (void)sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_row_once),
        cmocka_unit_test(test_pages_are_full),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
