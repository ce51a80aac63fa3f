/* SPDX-License-Identifier: MIT */
#include "store/writer_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/text.h"

int64_t store_writer_dump_id(const struct store_writer *w)
{
    return w->dump;
}

void writer_bind_dump(struct row *r, const struct store_dump *d, int64_t id,
                      int64_t first_token)
{
    row_int(r, id);
    row_text(r, d->name);
    row_text(r, d->model);
    row_text(r, d->model_fingerprint);
    row_text(r, d->fingerprint);
    row_int(r, d->first_layer);
    row_int(r, d->layers);
    row_int(r, d->heads);
    row_int(r, d->d_head);
    row_int_if(r, d->d_model != 0, d->d_model);
    row_text(r, d->dtype);
    row_text(r, d->bos);
    row_int_if(r, d->fold_value_biases >= 0, d->fold_value_biases);
    row_int(r, d->tokens);
    row_int(r, d->contexts);
    row_text(r, d->contexts_known ? "dump" : "blocks");
    row_int(r, d->has_tokens);
    row_int(r, d->has_strings);
    row_int(r, first_token);
    row_int(r, d->sample_limit);
    row_int(r, d->sample_seed);
    row_int(r, d->sample_contexts);
    row_int(r, d->sample_tokens);
}

/* Where the dump's rows get their keys: behind those of the dumps before. */
static int set_keys(struct store_writer *w, struct err *e)
{
    TRY(writer_number(&w->dump, w, "SELECT max(id) + 1 FROM dump", 0, 1, e));
    TRY(writer_number(&w->first_token, w,
                      "SELECT max(first_token + tokens) FROM dump", 0, 0, e));
    TRY(writer_number(&w->first_context, w, "SELECT max(id) + 1 FROM context",
                      0, 0, e));
    return writer_number(&w->first_group, w,
                         "SELECT max(id) + 1 FROM document_group", 0, 0, e);
}

int store_writer_dump(struct store_writer *w, const struct store_dump *d,
                      struct err *e)
{
    TRY(writer_begin(w, e));
    TRY(set_keys(w, e));
    struct row r = row_begin(&w->inserts, INSERT_DUMP);
    writer_bind_dump(&r, d, w->dump, w->first_token);
    return row_end(&r, &w->inserts, e);
}

int store_writer_document_group(struct store_writer *w,
                                const struct store_document_group *g,
                                struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_DOCUMENT_GROUP);
    row_int(&r, w->first_group + g->id);
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
    row_int(&r, w->first_context + c->id);
    row_int(&r, c->dump);
    row_int_if(&r, c->document_group >= 0, w->first_group + c->document_group);
    row_int(&r, w->first_token + c->first_token);
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

void store_writer_unknown(char *out, int64_t id)
{
    (void)snprintf(out, STORE_UNKNOWN_MAX, "token %lld", (long long)id);
}

int store_writer_vocab(struct store_writer *w, int64_t id, const char *bytes,
                       size_t length, int64_t count, struct err *e)
{
    char unknown[STORE_UNKNOWN_MAX];
    if (bytes == NULL) {
        store_writer_unknown(unknown, id);
        bytes = unknown;
        length = strlen(unknown);
    }
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

int store_writer_prompt(struct store_writer *w, int64_t context, int label,
                        int64_t token, int64_t answer, struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_PROMPT);
    row_int(&r, w->first_context + context);
    row_int_if(&r, label >= 0, label);
    row_int(&r, w->first_token + token);
    row_int_if(&r, answer >= 0, answer);
    return row_end(&r, &w->inserts, e);
}

int store_writer_token(struct store_writer *w, int64_t id, int64_t context,
                       int64_t position, int64_t vocab, struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_TOKEN);
    row_int(&r, w->first_token + id);
    row_int(&r, w->first_context + context);
    row_int(&r, position);
    row_int_if(&r, vocab >= 0, vocab);
    return row_end(&r, &w->inserts, e);
}
