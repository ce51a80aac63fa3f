/* SPDX-License-Identifier: MIT */
#include "store/writer_state.h"

#include <sqlite3.h>

#include "store/database.h"

/* What refers to others before what is referred to. */
static const char *const circuit_sql[] = {
    "DELETE FROM circuit_edge WHERE circuit = ?",
    "DELETE FROM circuit_code WHERE circuit = ?",
    "DELETE FROM circuit_head WHERE circuit = ?",
    "DELETE FROM circuit_token WHERE circuit = ?",
    "DELETE FROM circuit_prompt WHERE circuit = ?",
    "DELETE FROM circuit WHERE id = ?",
};

static int find_by_name(int64_t *id, struct store_writer *w, const char *name,
                        struct err *e)
{
    sqlite3_stmt *row = NULL;
    TRY(store_prepare(&row, w->db, w->output.path,
                      "SELECT id FROM circuit WHERE name = ?", e));
    (void)sqlite3_bind_text(row, 1, name, -1, SQLITE_STATIC);
    int stepped = sqlite3_step(row), code = 0;
    *id = stepped == SQLITE_ROW ? sqlite3_column_int64(row, 0) : 0;
    if (stepped != SQLITE_ROW && stepped != SQLITE_DONE)
        code = store_error(w->db, "read", w->output.path, e);
    (void)sqlite3_finalize(row);
    return code;
}

static int remove_older(struct store_writer *w, const char *name, struct err *e)
{
    int64_t id, none;
    TRY(find_by_name(&id, w, name, e));
    for (size_t i = 0; id != 0 && i < sizeof circuit_sql / sizeof *circuit_sql;
         i++)
        TRY(writer_number(&none, w, circuit_sql[i], id, 0, e));
    return 0;
}

int store_writer_circuit(struct store_writer *w, const struct store_circuit *c,
                         struct err *e)
{
    TRY(writer_begin(w, e));
    TRY(remove_older(w, c->name, e));
    TRY(writer_number(&w->circuit, w, "SELECT max(id) + 1 FROM circuit", 0, 1,
                      e));
    struct row r = row_begin(&w->inserts, INSERT_CIRCUIT);
    row_int(&r, w->circuit);
    row_text(&r, c->name);
    row_text(&r, c->model);
    row_text(&r, c->fingerprint);
    row_int(&r, c->layers);
    row_int(&r, c->first_layer);
    row_int(&r, c->heads);
    row_int(&r, c->prompts);
    row_int(&r, c->positives);
    row_int(&r, c->seeds);
    row_text(&r, c->options);
    row_real(&r, c->auc);
    row_real(&r, c->auc_sd);
    row_real(&r, c->auc_edges);
    row_real(&r, c->auc_shuffled);
    row_real(&r, c->auc_mean_difference);
    row_real(&r, c->auc_probe);
    row_real(&r, c->auc_edges_sd);
    row_real(&r, c->auc_shuffled_sd);
    row_real(&r, c->precision);
    row_real(&r, c->precision_sd);
    row_real(&r, c->recall);
    row_real(&r, c->recall_sd);
    row_real(&r, c->f1);
    row_real(&r, c->f1_sd);
    row_real(&r, c->paper_f1);
    row_real(&r, c->paper_f1_sd);
    return row_end(&r, &w->inserts, e);
}

int store_writer_circuit_prompt(struct store_writer *w,
                                const struct store_circuit_prompt *p,
                                struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_CIRCUIT_PROMPT);
    row_int(&r, w->circuit);
    row_int(&r, p->prompt);
    row_int(&r, p->label);
    row_text(&r, p->text);
    row_int_if(&r, p->position >= 0, p->position);
    if (p->answer != NULL)
        row_text(&r, p->answer);
    else
        row_null(&r);
    return row_end(&r, &w->inserts, e);
}

int store_writer_circuit_token(struct store_writer *w, int64_t prompt,
                               int64_t position, const char *text, bool escaped,
                               struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_CIRCUIT_TOKEN);
    row_int(&r, w->circuit);
    row_int(&r, prompt);
    row_int(&r, position);
    row_text(&r, text);
    row_int(&r, escaped);
    return row_end(&r, &w->inserts, e);
}

int store_writer_circuit_head(struct store_writer *w,
                              const struct store_circuit_head *h, struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_CIRCUIT_HEAD);
    row_int(&r, w->circuit);
    row_int(&r, h->layer);
    row_int(&r, h->head);
    row_text(&r, h->name);
    row_real(&r, h->score);
    row_real(&r, h->score_edges);
    row_real(&r, h->score_shuffled);
    row_real(&r, h->mean_difference);
    row_real(&r, h->probe);
    row_int_if(&r, h->in_circuit >= 0, h->in_circuit);
    row_real(&r, h->effect);
    return row_end(&r, &w->inserts, e);
}

int store_writer_circuit_code(struct store_writer *w, int layer, int head,
                              int64_t prompt, int64_t code, struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_CIRCUIT_CODE);
    row_int(&r, w->circuit);
    row_int(&r, layer);
    row_int(&r, head);
    row_int(&r, prompt);
    row_int(&r, code);
    return row_end(&r, &w->inserts, e);
}

int store_writer_circuit_edge(struct store_writer *w, const int heads[4],
                              int64_t pairs, struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_CIRCUIT_EDGE);
    row_int(&r, w->circuit);
    for (int i = 0; i < 4; i++)
        row_int(&r, heads[i]);
    row_int(&r, pairs);
    return row_end(&r, &w->inserts, e);
}

int store_writer_end_circuit(struct store_writer *w, struct err *e)
{
    TRY(inserts_flush(&w->inserts, e));
    return w->in_place ? writer_execute(w, "COMMIT", e) : 0;
}
