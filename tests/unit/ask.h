/* SPDX-License-Identifier: MIT
 *
 * Questions to the database of a test: ask(sql, number, ...) and number(...),
 * with up to three numbers for the first parameters, 0 for those left away.
 * What stands behind three is the caller's to bind.
 */
#ifndef TESTS_UNIT_ASK_H
#define TESTS_UNIT_ASK_H

#include <math.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "scratch.h"

static sqlite3 *db;

#define ask(sql, ...) ask_with(sql, (const int64_t[3]){__VA_ARGS__})
#define number(sql, ...) number_with(sql, (const int64_t[3]){__VA_ARGS__})

static inline sqlite3_stmt *ask_with(const char *sql, const int64_t values[3])
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    for (int i = 0; i < sqlite3_bind_parameter_count(stmt) && i < 3; i++)
        assert_int_equal(sqlite3_bind_int64(stmt, i + 1, values[i]), 0);
    return stmt;
}

static inline bool next(sqlite3_stmt *row)
{
    int stepped = sqlite3_step(row);
    if (stepped == SQLITE_ROW)
        return true;
    assert_int_equal(stepped, SQLITE_DONE);
    (void)sqlite3_finalize(row);
    return false;
}

static inline double number_with(const char *sql, const int64_t values[3])
{
    sqlite3_stmt *row = ask_with(sql, values);
    assert_true(next(row));
    double value = sqlite3_column_type(row, 0) == SQLITE_NULL
                       ? (double)NAN
                       : sqlite3_column_double(row, 0);
    assert_false(next(row));
    return value;
}

#endif
