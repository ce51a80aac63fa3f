/* SPDX-License-Identifier: MIT */
#include "store/writer_state.h"

int store_writer_by_token(struct store_writer *w,
                          const struct store_activation *rows, size_t n,
                          struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        struct row r = row_begin(&w->inserts, INSERT_BY_TOKEN);
        row_int(&r, w->sae);
        row_int(&r, w->first_token + rows[i].token);
        row_int(&r, rows[i].feature);
        row_int(&r, rows[i].level);
        TRY(row_end(&r, &w->inserts, e));
    }
    return 0;
}

/* Rows (sae, feature, token, level) of `table`. */
static int put_feature_first(struct store_writer *w, enum insert_table table,
                             const struct store_activation *rows, size_t n,
                             struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        struct row r = row_begin(&w->inserts, table);
        row_int(&r, w->sae);
        row_int(&r, rows[i].feature);
        row_int(&r, w->first_token + rows[i].token);
        row_int(&r, rows[i].level);
        TRY(row_end(&r, &w->inserts, e));
    }
    return 0;
}

int store_writer_by_feature(struct store_writer *w,
                            const struct store_activation *rows, size_t n,
                            struct err *e)
{
    return put_feature_first(w, INSERT_ACTIVATION, rows, n, e);
}

int store_writer_around_examples(struct store_writer *w,
                                 const struct store_activation *rows, size_t n,
                                 struct err *e)
{
    return put_feature_first(w, INSERT_EXAMPLE_ACTIVATION, rows, n, e);
}

int store_writer_head_codes(struct store_writer *w,
                            const struct store_head_code *rows, size_t n,
                            struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        struct row r = row_begin(&w->inserts, INSERT_HEAD_CODE);
        row_int(&r, w->sae);
        row_int(&r, rows[i].head);
        row_int(&r, rows[i].feature);
        row_int(&r, w->first_token + rows[i].token);
        TRY(row_end(&r, &w->inserts, e));
    }
    return 0;
}
