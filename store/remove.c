/* SPDX-License-Identifier: MIT */
#include "store/writer_state.h"

#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "base/interrupt.h"
#include "store/database.h"

/* What belongs to an SAE, what refers to others before what is referred to.
 * Every key leads with the SAE, so that each is one range of its tree. */
static const char *const sae_sql[] = {
    "DELETE FROM token_feature WHERE sae = ?",
    "DELETE FROM feature_source_token WHERE sae = ?",
    "DELETE FROM feature_source_offset WHERE sae = ?",
    "DELETE FROM example_source WHERE sae = ?",
    "DELETE FROM head_example WHERE sae = ?",
    "DELETE FROM example_activation WHERE sae = ?",
    "DELETE FROM example WHERE sae = ?",
    "DELETE FROM example_set WHERE sae = ?",
    "DELETE FROM head_group WHERE sae = ?",
    "DELETE FROM head_code_count WHERE sae = ?",
    "DELETE FROM activation_by_token WHERE sae = ?",
    "DELETE FROM activation WHERE sae = ?",
    "DELETE FROM feature_logit WHERE sae = ?",
    "DELETE FROM feature_pair WHERE sae = ?",
    "DELETE FROM feature_neighbour WHERE sae = ?",
    "DELETE FROM feature_group WHERE sae = ?",
    "DELETE FROM feature_position WHERE sae = ?",
    "DELETE FROM histogram WHERE sae = ?",
    "DELETE FROM feature_head WHERE sae = ?",
    "DELETE FROM feature WHERE sae = ?",
    "DELETE FROM head WHERE sae = ?",
    "DELETE FROM metric WHERE sae = ?",
    "DELETE FROM sae WHERE id = ?",
};

/* The same for a dump. Strings stay, and count no longer what goes. */
static const char *const dump_sql[] = {
    "DELETE FROM prompt WHERE context IN"
    " (SELECT id FROM context WHERE dump = ?)",
    "DELETE FROM token WHERE id >= (SELECT first_token FROM dump WHERE id = ?1)"
    " AND id < (SELECT first_token + tokens FROM dump WHERE id = ?1)",
    "DELETE FROM context WHERE dump = ?",
    "DELETE FROM document_group WHERE dump = ?",
    "DELETE FROM position_bin WHERE dump = ?",
    "UPDATE vocab SET count = vocab.count - u.count FROM vocab_use AS u"
    " WHERE u.dump = ? AND u.vocab = vocab.id",
    "DELETE FROM vocab_use WHERE dump = ?",
    "DELETE FROM dump WHERE id = ?",
};

static int delete_all(struct store_writer *w, const char *const *sql, size_t n,
                      int64_t id, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        int64_t none;
        if (interrupt_requested())
            return err_set(e, ERR_INTERRUPTED, "interrupted");
        TRY(writer_number(&none, w, sql[i], id, 0, e));
    }
    return 0;
}

int store_writer_remove_sae(struct store_writer *w, int64_t id, struct err *e)
{
    TRY(writer_begin(w, e));
    return delete_all(w, sae_sql, sizeof sae_sql / sizeof *sae_sql, id, e);
}

/* ---- by name ---- */

static const char find_sql[] =
    "SELECT s.id, s.dump FROM sae AS s JOIN dump AS d ON d.id = s.dump"
    " WHERE " STORE_SAE_NAMED;

struct target {
    int64_t sae, dump;
};

static int find(struct target *out, struct store_writer *w, const char *name,
                struct err *e)
{
    sqlite3_stmt *row = NULL;
    TRY(store_prepare(&row, w->db, w->output.path, find_sql, e));
    (void)sqlite3_bind_text(row, 1, name, -1, SQLITE_STATIC);
    int stepped = sqlite3_step(row), code = 0;
    if (stepped == SQLITE_ROW) {
        *out = (struct target){sqlite3_column_int64(row, 0),
                               sqlite3_column_int64(row, 1)};
        if (sqlite3_step(row) == SQLITE_ROW)
            code = err_set(e, ERR_INPUT,
                           "%s has an SAE %s of dump %lld and one of dump "
                           "%lld; say %lld/%s or %lld/%s",
                           w->output.path, name, (long long)out->dump,
                           (long long)sqlite3_column_int64(row, 1),
                           (long long)out->dump, name,
                           (long long)sqlite3_column_int64(row, 1), name);
    } else if (stepped == SQLITE_DONE) {
        code =
            err_set(e, ERR_INPUT, "%s has no SAE %s; headscope info lists them",
                    w->output.path, name);
    } else {
        code = store_error(w->db, "read", w->output.path, e);
    }
    (void)sqlite3_finalize(row);
    return code;
}

static int remove_one(struct store_writer *w, const char *name, struct err *e)
{
    struct target t = {0};
    int64_t all, of_dump;
    TRY(find(&t, w, name, e));
    TRY(writer_number(&all, w, "SELECT count(*) FROM sae", 0, 0, e));
    if (all == 1)
        return err_set(e, ERR_INPUT,
                       "without %s nothing would be left in %s; delete the "
                       "file",
                       name, w->output.path);
    TRY(delete_all(w, sae_sql, sizeof sae_sql / sizeof *sae_sql, t.sae, e));
    TRY(writer_number(&of_dump, w, "SELECT count(*) FROM sae WHERE dump = ?",
                      t.dump, 0, e));
    if (of_dump == 0)
        TRY(delete_all(w, dump_sql, sizeof dump_sql / sizeof *dump_sql, t.dump,
                       e));
    return 0;
}

int store_writer_remove(struct store_writer *w, int64_t *freed,
                        char *const *names, size_t n, struct err *e)
{
    TRY(writer_begin(w, e));
    for (size_t i = 0; i < n; i++)
        TRY(remove_one(w, names[i], e));
    int64_t pages, size;
    TRY(writer_number(&pages, w, "PRAGMA freelist_count", 0, 0, e));
    TRY(writer_number(&size, w, "PRAGMA page_size", 0, 0, e));
    *freed = pages * size;
    return store_writer_end_sae(w, e);
}
