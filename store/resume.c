/* SPDX-License-Identifier: MIT */
#include "store/writer_state.h"

#include <stdlib.h>

#include <sqlite3.h>

#include "store/database.h"

/* The columns in the order of writer_bind_dump; IS, since some may be NULL. */
static const char same_dump_sql[] =
    "SELECT 1 FROM dump WHERE (id, name, model, model_fingerprint, fingerprint,"
    " first_layer, layers, heads, d_head, d_model, dtype, bos, "
    "fold_value_biases, tokens,"
    " contexts, context_source, has_tokens, has_strings, first_token,"
    " sample_limit, sample_seed, sample_contexts, sample_tokens) IS"
    " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/* Structure only: the contents were written by whole transactions. */
static const char check_sql[] = "PRAGMA quick_check(1)";

/* Whether the statement's only row is this text. */
static bool answers(struct store_writer *w, const char *sql, const char *text)
{
    sqlite3_stmt *row = NULL;
    struct err unused;
    bool same = store_prepare(&row, w->db, w->output.path, sql, &unused) == 0 &&
                sqlite3_step(row) == SQLITE_ROW &&
                store_column_is(row, 0, text);
    (void)sqlite3_finalize(row);
    return same;
}

static bool same_dump(struct store_writer *w, const struct store_dump *d)
{
    struct err unused;
    struct row r = {0};
    if (store_prepare(&r.stmt, w->db, w->output.path, same_dump_sql, &unused) !=
        0)
        return false;
    writer_bind_dump(&r, d, 1, 0);
    bool same = r.bad == 0 && sqlite3_step(r.stmt) == SQLITE_ROW;
    (void)sqlite3_finalize(r.stmt);
    return same && answers(w, "SELECT CAST(count(*) AS TEXT) FROM dump", "1");
}

static bool is_sae(sqlite3_stmt *row, const struct store_identity *s,
                   int64_t id)
{
    const char *const want[] = {s->name, s->fingerprint, s->options};
    for (int i = 0; i < 3; i++) {
        if (!store_column_is(row, i, want[i]))
            return false;
    }
    return sqlite3_column_int64(row, 3) == s->layer &&
           sqlite3_column_int64(row, 4) == id;
}

/* Whether the SAEs there are the plan's first; counts them. */
static bool same_saes(struct store_writer *w, struct store_plan *plan)
{
    sqlite3_stmt *row = NULL;
    struct err unused;
    if (store_prepare(&row, w->db, w->output.path,
                      "SELECT name, fingerprint, options, layer, id FROM sae"
                      " ORDER BY id",
                      &unused) != 0)
        return false;
    bool same = true;
    int stepped;
    size_t n = 0;
    while (same && (stepped = sqlite3_step(row)) == SQLITE_ROW) {
        same = n < plan->n && is_sae(row, &plan->saes[n], (int64_t)n + 1);
        n++;
    }
    (void)sqlite3_finalize(row);
    plan->done = n;
    return same && stepped == SQLITE_DONE;
}

/* Whether the file is the beginning of what is planned. A run that was killed
 * before its first commit has left a journal that empties it. */
static bool is_ours(struct store_writer *w, struct store_plan *plan)
{
    struct err unused;
    if (writer_open_partial(w, &unused) != 0 ||
        answers(w, "SELECT CAST(page_count AS TEXT) FROM pragma_page_count",
                "0"))
        return false;
    plan->other = true;
    return store_check_identity(w->db, w->output.path, &unused) == 0 &&
           answers(w, check_sql, "ok") && same_dump(w, plan->dump) &&
           same_saes(w, plan);
}

/* Whether what kept us from seeing that it is ours lies outside the file. */
static bool could_not_look(const struct store_writer *w)
{
    int code = w->db == NULL ? SQLITE_OK : sqlite3_errcode(w->db) & 0xff;
    return code == SQLITE_NOMEM || code == SQLITE_IOERR ||
           code == SQLITE_FULL || code == SQLITE_BUSY;
}

int store_writer_resume(struct store_writer **out, struct store_plan *plan,
                        const char *path, bool force, struct err *e)
{
    bool kept = false;
    plan->done = 0;
    plan->other = false;
    struct store_writer *w = calloc(1, sizeof *w);
    *out = w;
    if (w == NULL)
        return err_memory(e, "database writer", sizeof *w);
    int code = output_resume_file(&w->output, path, force, &kept, e);
    if (code != 0 || !kept || !is_ours(w, plan)) {
        plan->done = 0;
        if (code == 0 && could_not_look(w))
            code = store_error(w->db, "read", w->output.partial, e);
        store_writer_leave(out);
        return code;
    }
    plan->other = false;
    w->dump = 1;
    code = inserts_prepare(&w->inserts, w->db, w->output.path, e);
    if (code != 0)
        store_writer_leave(out);
    return code;
}
