/* SPDX-License-Identifier: MIT */
#include "store/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "store/database.h"
#include "store/schema_sql.h"
#include "store/text.h"
#include "store/writer_state.h"

/* ---- opening and closing ---- */

/* No journal and no waiting: the partial file counts for nothing before the
 * rename. 16 KB pages make trees of small rows shallow and dense. */
static const char settings_sql[] = "PRAGMA page_size = 16384;"
                                   "PRAGMA journal_mode = OFF;"
                                   "PRAGMA synchronous = OFF;"
                                   "PRAGMA locking_mode = EXCLUSIVE;"
                                   "PRAGMA temp_store = MEMORY;"
                                   "PRAGMA cache_size = -131072;";

/* Statistics for SQLite's planner, from the first rows of each index: enough
 * of them to see that an SAE has far more rows than a feature or a token. */
static const char analyze_sql[] = "PRAGMA analysis_limit = 100000; ANALYZE;";

static int execute(struct store_writer *w, const char *sql, struct err *e)
{
    if (sqlite3_exec(w->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return store_error(w->db, "write", w->output.path, e);
    return 0;
}

static int create(struct store_writer *w, struct err *e)
{
    if (sqlite3_open_v2(w->output.partial, &w->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        return store_error(w->db, "write", w->output.path, e);
    char identity[96];
    (void)snprintf(identity, sizeof identity,
                   "PRAGMA application_id = %d; PRAGMA user_version = %d;",
                   STORE_APPLICATION_ID, STORE_SCHEMA_VERSION);
    TRY(execute(w, settings_sql, e));
    TRY(execute(w, "BEGIN", e));
    TRY(execute(w, identity, e));
    TRY(execute(w, (const char *)schema_sql, e));
    return inserts_prepare(&w->inserts, w->db, w->output.path, e);
}

int store_writer_open(struct store_writer **out, const char *path, bool force,
                      struct err *e)
{
    *out = NULL;
    struct store_writer *w = calloc(1, sizeof *w);
    if (w == NULL)
        return err_memory(e, "database writer", sizeof *w);
    int code = output_begin_file(&w->output, path, force, e);
    if (code == 0)
        code = create(w, e);
    if (code != 0)
        store_writer_abort(&w);
    *out = w;
    return code;
}

static void close_database(struct store_writer *w)
{
    inserts_finalize(&w->inserts);
    (void)sqlite3_close(w->db);
    w->db = NULL;
}

int store_writer_commit(struct store_writer **writer, struct err *e)
{
    struct store_writer *w = *writer;
    int code = execute(w, analyze_sql, e);
    if (code == 0)
        code = execute(w, "COMMIT", e);
    close_database(w);
    if (code == 0)
        code = output_commit(&w->output, e);
    store_writer_abort(writer);
    return code;
}

void store_writer_abort(struct store_writer **writer)
{
    struct store_writer *w = *writer;
    if (w == NULL)
        return;
    close_database(w);
    output_abort(&w->output);
    free(w);
    *writer = NULL;
}

/* ---- the dump ---- */

int store_writer_dump(struct store_writer *w, const struct store_dump *d,
                      struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_DUMP);
    row_int(&r, d->id);
    row_text(&r, d->name);
    row_text(&r, d->model);
    row_text(&r, d->fingerprint);
    row_int(&r, d->first_layer);
    row_int(&r, d->layers);
    row_int(&r, d->heads);
    row_int(&r, d->d_head);
    row_int_if(&r, d->d_model != 0, d->d_model);
    row_text(&r, d->dtype);
    row_text(&r, d->bos);
    row_int_if(&r, d->fold_value_biases >= 0, d->fold_value_biases);
    row_int(&r, d->tokens);
    row_int(&r, d->contexts);
    row_text(&r, d->contexts_known ? "dump" : "blocks");
    row_int(&r, d->has_tokens);
    row_int(&r, d->has_strings);
    row_int(&r, d->first_token);
    row_int(&r, d->sample_limit);
    row_int(&r, d->sample_seed);
    row_int(&r, d->sample_contexts);
    row_int(&r, d->sample_tokens);
    return row_end(&r, &w->inserts, e);
}

int store_writer_document_group(struct store_writer *w,
                                const struct store_document_group *g,
                                struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_DOCUMENT_GROUP);
    row_int(&r, g->id);
    row_int(&r, g->dump);
    row_text(&r, g->name);
    row_int(&r, g->contexts);
    row_int(&r, g->tokens);
    return row_end(&r, &w->inserts, e);
}

int store_writer_context(struct store_writer *w, const struct store_context *c,
                         struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_CONTEXT);
    row_int(&r, c->id);
    row_int(&r, c->dump);
    row_int_if(&r, c->document_group >= 0, c->document_group);
    row_int(&r, c->first_token);
    row_int(&r, c->tokens);
    row_int(&r, c->sampled);
    return row_end(&r, &w->inserts, e);
}

int store_writer_position_bin(struct store_writer *w, int64_t dump,
                              const struct store_position_bin *b, struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_POSITION_BIN);
    row_int(&r, dump);
    row_int(&r, b->bin);
    row_int(&r, b->first);
    row_int(&r, b->last);
    row_int(&r, b->tokens);
    return row_end(&r, &w->inserts, e);
}

int store_writer_vocab_use(struct store_writer *w, int64_t dump, int64_t vocab,
                           int64_t count, struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_VOCAB_USE);
    row_int(&r, dump);
    row_int(&r, vocab);
    row_int(&r, count);
    return row_end(&r, &w->inserts, e);
}

/* The string that stands in for one that is not known. */
static int vocab_unknown(struct store_writer *w, int64_t id, int64_t count,
                         struct err *e)
{
    char text[40];
    (void)snprintf(text, sizeof text, "token %lld", (long long)id);
    return store_writer_vocab(w, id, text, strlen(text), count, e);
}

int store_writer_vocab(struct store_writer *w, int64_t id, const char *bytes,
                       size_t length, int64_t count, struct err *e)
{
    if (bytes == NULL)
        return vocab_unknown(w, id, count, e);
    char *escaped = NULL;
    struct row r = row_begin(&w->inserts, INSERT_VOCAB);
    row_int(&r, id);
    if (store_text_is_plain(bytes, length)) {
        row_bytes_as_text(&r, bytes, length);
        row_null(&r);
    } else {
        escaped = malloc(4 * length);
        if (escaped == NULL)
            return err_memory(e, "a token string", 4 * length);
        row_bytes_as_text(&r, escaped,
                          store_text_escape(escaped, bytes, length));
        row_blob(&r, bytes, length);
    }
    row_int(&r, count);
    int code = row_end(&r, &w->inserts, e);
    free(escaped);
    return code;
}

int store_writer_token(struct store_writer *w, int64_t id, int64_t context,
                       int64_t position, int64_t vocab, struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_TOKEN);
    row_int(&r, id);
    row_int(&r, context);
    row_int(&r, position);
    row_int_if(&r, vocab >= 0, vocab);
    return row_end(&r, &w->inserts, e);
}

int store_writer_end_sae(struct store_writer *w, struct err *e)
{
    return execute(w, "COMMIT; BEGIN", e);
}
