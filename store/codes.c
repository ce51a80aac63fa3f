/* SPDX-License-Identifier: MIT */
#include "store/codes.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "store/database.h"

struct store_codes_source {
    struct sqlite3 *db;
    char *path;
    enum store_codes_kind kind;
    struct sqlite3_stmt *tokens, *codes;
    int64_t ahead; /* token of the row that `codes` stands on; -1: at its end */
    int64_t activations; /* seen so far */
};

enum { HEADS_MAX = 65536 }; /* docs/formats.md */

static const char sae_sql[] =
    "SELECT s.id, s.name, s.layer, s.heads, s.activations, d.sample_tokens,"
    " d.id FROM sae AS s JOIN dump AS d ON d.id = s.dump"
    " WHERE ?1 IS NULL OR " STORE_SAE_NAMED;

/* Contexts and their tokens have ascending keys, so no sort is needed. */
static const char tokens_sql[] =
    "SELECT t.id, t.context, t.position, v.text FROM context AS c"
    " CROSS JOIN token AS t ON t.id >= c.first_token"
    " AND t.id < c.first_token + c.tokens"
    " LEFT JOIN vocab AS v ON v.id = t.vocab"
    " WHERE c.dump = ? AND c.sampled = 1 ORDER BY c.id, t.id";

static const char *const codes_sql[] = {
    [STORE_ACTIVATIONS] =
        "SELECT a.token, a.feature, a.level, (a.level - 0.5) * f.scale"
        " FROM activation_by_token AS a CROSS JOIN feature AS f"
        " ON f.sae = a.sae AND f.feature = a.feature"
        " WHERE a.sae = ? ORDER BY a.token, a.feature",
    [STORE_HEAD_CODES] = "SELECT token, feature, heads FROM activation_by_token"
                         " WHERE sae = ? AND heads <> 0"
                         " ORDER BY token, feature",
};

static int damaged(const struct store_codes *c, const char *what, struct err *e)
{
    return err_set(e, ERR_INPUT,
                   "%s is damaged: %s; PRAGMA integrity_check and PRAGMA "
                   "foreign_key_check may say more",
                   c->source->path, what);
}

static int step(const struct store_codes *c, struct sqlite3_stmt *row,
                bool *more, struct err *e)
{
    int result = sqlite3_step(row);
    *more = result == SQLITE_ROW;
    return *more || result == SQLITE_DONE
               ? 0
               : store_error(c->source->db, "read", c->source->path, e);
}

/* ---- opening ---- */

static int take_sae(struct store_codes *c, struct sqlite3_stmt *row,
                    int64_t keys[2], struct err *e)
{
    const unsigned char *name = sqlite3_column_text(row, 1);
    (void)snprintf(c->name, sizeof c->name, "%s",
                   name != NULL ? (const char *)name : "");
    keys[0] = sqlite3_column_int64(row, 0);
    keys[1] = sqlite3_column_int64(row, 6);
    int64_t heads = sqlite3_column_int64(row, 3);
    if (heads < 1 || heads > HEADS_MAX)
        return damaged(c, "sae.heads is no number of heads", e);
    c->layer = sqlite3_column_int(row, 2);
    c->heads = (int)heads;
    c->rows = sqlite3_column_int64(row, 4);
    c->tokens = sqlite3_column_int64(row, 5);
    return 0;
}

/* keys: of the SAE and its dump */
static int find_sae(struct store_codes *c, const char *sae, int64_t keys[2],
                    struct err *e)
{
    struct store_codes_source *s = c->source;
    struct sqlite3_stmt *row = NULL;
    bool more;
    TRY(store_prepare(&row, s->db, s->path, sae_sql, e));
    (void)sqlite3_bind_text(row, 1, sae, -1, SQLITE_STATIC);
    int code = step(c, row, &more, e);
    if (code == 0 && !more)
        code = err_set(e, ERR_INPUT,
                       "%s has no SAE%s%s; headscope info %s "
                       "lists what it has",
                       s->path, sae != NULL ? " " : "", sae != NULL ? sae : "",
                       s->path);
    if (code == 0)
        code = take_sae(c, row, keys, e);
    if (code == 0)
        code = step(c, row, &more, e);
    if (code == 0 && more)
        code = sae == NULL
                   ? err_set(e, ERR_INPUT,
                             "%s has several SAEs; choose one with --sae NAME",
                             s->path)
                   : err_set(e, ERR_INPUT,
                             "%s has several SAEs %s; say which as DUMP/%s",
                             s->path, sae, sae);
    (void)sqlite3_finalize(row);
    return code;
}

static int have_room(struct store_codes *c, size_t n, struct err *e)
{
    if (n <= c->capacity)
        return 0;
    size_t capacity = 2 * n;
    int32_t *feature = realloc(c->feature, capacity * sizeof *feature);
    if (feature != NULL)
        c->feature = feature;
    int *level = realloc(c->level, capacity * sizeof *level);
    if (level != NULL)
        c->level = level;
    double *value = realloc(c->value, capacity * sizeof *value);
    if (value != NULL)
        c->value = value;
    if (feature == NULL || level == NULL || value == NULL)
        return err_memory(e, "codes of a token", capacity * sizeof *value);
    c->capacity = capacity;
    return 0;
}

/* The next row of codes, or its end. */
static int advance(struct store_codes *c, struct err *e)
{
    struct store_codes_source *s = c->source;
    bool more;
    TRY(step(c, s->codes, &more, e));
    s->ahead = more ? sqlite3_column_int64(s->codes, 0) : -1;
    if (more && s->ahead < 0)
        return damaged(c, "a code's token is below 0", e);
    return 0;
}

static int open_source(struct store_codes *c, const char *sae, struct err *e)
{
    struct store_codes_source *s = c->source;
    int64_t keys[2];
    TRY(store_open_read(&s->db, s->path, e));
    TRY(find_sae(c, sae, keys, e));
    TRY(store_prepare(&s->tokens, s->db, s->path, tokens_sql, e));
    TRY(store_prepare(&s->codes, s->db, s->path, codes_sql[s->kind], e));
    (void)sqlite3_bind_int64(s->codes, 1, keys[0]);
    (void)sqlite3_bind_int64(s->tokens, 1, keys[1]);
    TRY(have_room(c, (size_t)c->heads, e));
    return advance(c, e);
}

int store_codes_open(struct store_codes **out, const char *path,
                     const char *sae, enum store_codes_kind kind, struct err *e)
{
    *out = NULL;
    struct store_codes *c = calloc(1, sizeof *c);
    struct store_codes_source *s = calloc(1, sizeof *s);
    char *copy = strdup(path);
    if (c == NULL || s == NULL || copy == NULL) {
        free(c);
        free(s);
        free(copy);
        return err_memory(e, "codes", sizeof *c);
    }
    *s = (struct store_codes_source){.path = copy, .kind = kind};
    c->source = s;
    int code = open_source(c, sae, e);
    if (code != 0)
        store_codes_close(&c);
    *out = c;
    return code;
}

void store_codes_close(struct store_codes **c)
{
    if (*c == NULL)
        return;
    struct store_codes_source *s = (*c)->source;
    (void)sqlite3_finalize(s->tokens);
    (void)sqlite3_finalize(s->codes);
    (void)sqlite3_close(s->db);
    free(s->path);
    free(s);
    free((*c)->feature);
    free((*c)->level);
    free((*c)->value);
    free(*c);
    *c = NULL;
}

/* ---- reading ---- */

static int take_feature(struct store_codes *c, size_t at, struct err *e)
{
    int64_t feature = sqlite3_column_int64(c->source->codes, 1);
    if (feature < 0 || feature > INT32_MAX)
        return damaged(c, "a feature's number is out of range", e);
    c->feature[at] = (int32_t)feature;
    return 0;
}

static int take_activation(struct store_codes *c, struct err *e)
{
    struct store_codes_source *s = c->source;
    TRY(have_room(c, c->n + 1, e));
    TRY(take_feature(c, c->n, e));
    c->level[c->n] = sqlite3_column_int(s->codes, 2);
    c->value[c->n] = sqlite3_column_double(s->codes, 3);
    if (c->level[c->n] < 1 || c->level[c->n] > 255)
        return damaged(c, "a level is outside 1 to 255", e);
    c->n++;
    s->activations++;
    return 0;
}

static int take_head_codes(struct store_codes *c, struct err *e)
{
    uint64_t heads = (uint64_t)sqlite3_column_int64(c->source->codes, 2);
    for (size_t h = 0; h < 64 && heads >> h != 0; h++) {
        if ((heads >> h & 1) == 0)
            continue;
        if (h >= (size_t)c->heads)
            return damaged(c, "a head code is of a head that the SAE has not",
                           e);
        if (c->feature[h] >= 0)
            return damaged(c, "a head has two codes at a token", e);
        TRY(take_feature(c, h, e));
    }
    return 0;
}

static int take_codes(struct store_codes *c, struct err *e)
{
    struct store_codes_source *s = c->source;
    c->n = s->kind == STORE_HEAD_CODES ? (size_t)c->heads : 0;
    for (size_t h = 0; h < c->n; h++)
        c->feature[h] = -1;
    while (s->ahead == c->token) {
        TRY(s->kind == STORE_HEAD_CODES ? take_head_codes(c, e)
                                        : take_activation(c, e));
        TRY(advance(c, e));
    }
    if (s->ahead >= 0 && s->ahead < c->token)
        return damaged(c, "a code is of a token that is not in the sample", e);
    return 0;
}

/* All has been read: was it what the database says it holds? */
static int finish(struct store_codes *c, struct err *e)
{
    const struct store_codes_source *s = c->source;
    if (s->ahead >= 0)
        return damaged(c, "a code is of a token that is not in the sample", e);
    if (s->kind == STORE_ACTIVATIONS && s->activations != c->rows)
        return damaged(c, "sae.activations is not the number of its rows", e);
    c->token = -1;
    return 0;
}

int store_codes_next(struct store_codes *c, struct err *e)
{
    struct store_codes_source *s = c->source;
    bool more;
    TRY(step(c, s->tokens, &more, e));
    if (!more)
        return finish(c, e);
    c->token = sqlite3_column_int64(s->tokens, 0);
    c->context = sqlite3_column_int64(s->tokens, 1);
    int64_t position = sqlite3_column_int64(s->tokens, 2);
    if (c->token < 0 || position < 0 || position > INT32_MAX)
        return damaged(c, "a token's number or position is out of range", e);
    c->position = (int32_t)position;
    c->text = (const char *)sqlite3_column_text(s->tokens, 3);
    c->length = (size_t)sqlite3_column_bytes(s->tokens, 3);
    return take_codes(c, e);
}
