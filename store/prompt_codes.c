/* SPDX-License-Identifier: MIT */
#include "store/prompt_codes.h"

#include <stdbool.h>
#include <string.h>

#include <sqlite3.h>

#include "store/database.h"

enum {
    LAYERS_MAX = 1024,
    HEADS_MAX = 63,          /* bits of activation_by_token.heads */
    FEATURES_MAX = 1 << 26,  /* far above any SAE: a mistake in the file */
    TOKENS_MAX = 1 << 24,    /* of a prompt, the same */
    PROMPTS_MAX = 100000000, /* the same */
};

struct reading {
    struct prompt_codes *out;
    const struct prompt_codes_options *o;
    sqlite3 *db;
    const char *path;
    int64_t dump;
    int64_t *sae;    /* [layers] */
    int64_t *d_sae;  /* [layers] */
    int64_t *token;  /* (prompts) the first whose codes are read */
    int64_t *tokens; /* (prompts) how many */
    struct arena arena;
};

/* Steps a statement; *more is whether it has a row. */
static int step(bool *more, sqlite3_stmt *s, const struct reading *r,
                struct err *e)
{
    int stepped = sqlite3_step(s);
    *more = stepped == SQLITE_ROW;
    return *more || stepped == SQLITE_DONE
               ? 0
               : store_error(r->db, "read", r->path, e);
}

static const char *text(sqlite3_stmt *s, int column)
{
    const unsigned char *found = sqlite3_column_text(s, column);
    return found == NULL ? "" : (const char *)found;
}

/* ---- dump ---- */

static const char dump_sql[] =
    "SELECT id, name FROM dump AS d"
    " WHERE (?1 IS NULL OR name = ?1 OR CAST(id AS TEXT) = ?1)"
    " AND EXISTS (SELECT 1 FROM prompt AS p JOIN context AS c"
    " ON c.id = p.context WHERE c.dump = d.id AND p.label IS NOT NULL)"
    " ORDER BY id";

static int choose_dump(struct reading *r, sqlite3_stmt *s, struct err *e)
{
    bool more;
    (void)sqlite3_bind_text(s, 1, r->o->dump, -1, SQLITE_STATIC);
    TRY(step(&more, s, r, e));
    if (!more)
        return err_set(e, ERR_INPUT,
                       "%s has no labelled prompts%s%s; capture them "
                       "(headscope capture --prompts) and encode that dump",
                       r->path, r->o->dump != NULL ? " of a dump " : "",
                       r->o->dump != NULL ? r->o->dump : "");
    r->dump = sqlite3_column_int64(s, 0);
    TRY(step(&more, s, r, e));
    if (more)
        return err_set(e, ERR_INPUT,
                       "%s has prompts of several dumps, with the keys %lld "
                       "and %lld (%.80s); say which with --dump",
                       r->path, (long long)r->dump,
                       (long long)sqlite3_column_int64(s, 0), text(s, 1));
    return 0;
}

/* Runs a part with its statement. */
static int with(struct reading *r, const char *sql,
                int part(struct reading *, sqlite3_stmt *, struct err *),
                struct err *e)
{
    sqlite3_stmt *s;
    TRY(store_prepare(&s, r->db, r->path, sql, e));
    int code = part(r, s, e);
    (void)sqlite3_finalize(s);
    return code;
}

/* ---- SAEs ---- */

static const char saes_sql[] =
    "SELECT id, name, layer, heads, d_sae FROM sae WHERE dump = ?1"
    " ORDER BY layer, id";

static bool is_wanted(char *const *names, bool *used, size_t n,
                      const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return used[i] = true;
    return names == NULL;
}

static int add_sae(struct reading *r, sqlite3_stmt *s, struct err *e)
{
    struct prompt_codes *c = r->out;
    int64_t layer = sqlite3_column_int64(s, 2), d = sqlite3_column_int64(s, 4);
    int64_t heads = sqlite3_column_int64(s, 3);
    if (layer < 0 || layer >= LAYERS_MAX || heads < 1 || heads > HEADS_MAX ||
        d < 1 || d > FEATURES_MAX)
        return err_set(e, ERR_INPUT,
                       "%s: SAE %.80s has layer %lld, %lld heads and %lld "
                       "features; that cannot be",
                       r->path, text(s, 1), (long long)layer, (long long)heads,
                       (long long)d);
    if (c->layers == 0) {
        c->first_layer = (int)layer;
        c->layer_heads = (int)heads;
    }
    if (layer == c->first_layer + c->layers - 1 && c->layers > 0)
        return err_set(e, ERR_INPUT,
                       "%s has several SAEs of layer %lld, one of them %.80s; "
                       "name one for each layer with --saes",
                       r->path, (long long)layer, text(s, 1));
    if (layer != c->first_layer + c->layers || heads != c->layer_heads)
        return err_set(e, ERR_INPUT,
                       "%s: SAE %.80s is of layer %lld with %lld heads; the "
                       "SAEs must be of consecutive layers (%d is next) with "
                       "as many heads (%d); choose with --saes",
                       r->path, text(s, 1), (long long)layer, (long long)heads,
                       c->first_layer + c->layers, c->layer_heads);
    r->sae[c->layers] = sqlite3_column_int64(s, 0);
    r->d_sae[c->layers++] = d;
    c->features = (size_t)d > c->features ? (size_t)d : c->features;
    return 0;
}

static int choose_saes(struct reading *r, sqlite3_stmt *s, struct err *e)
{
    char **names = NULL;
    size_t n = 0;
    bool more, *used;
    if (r->o->saes != NULL)
        TRY(arena_list(&r->arena, &names, &n, r->o->saes, e));
    TRY(arena_get(&r->arena, &used, n, sizeof *used, "names", e));
    TRY(arena_get(&r->arena, &r->sae, LAYERS_MAX, sizeof *r->sae, "SAEs", e));
    TRY(arena_get(&r->arena, &r->d_sae, LAYERS_MAX, sizeof *r->d_sae, "SAEs",
                  e));
    (void)sqlite3_bind_int64(s, 1, r->dump);
    for (;;) {
        TRY(step(&more, s, r, e));
        if (!more)
            break;
        if (is_wanted(names, used, n, text(s, 1)))
            TRY(add_sae(r, s, e));
    }
    for (size_t i = 0; i < n; i++)
        if (!used[i])
            return err_set(e, ERR_INPUT,
                           "%s has no SAE %.80s of this dump; headscope info "
                           "lists them",
                           r->path, names[i]);
    if (r->out->layers == 0)
        return err_set(e, ERR_INPUT, "%s has no SAE of this dump", r->path);
    return 0;
}

/* ---- prompts ---- */

static const char count_sql[] =
    "SELECT count(*), sum(p.label), sum(c.sampled = 0)"
    " FROM prompt AS p JOIN context AS c ON c.id = p.context"
    " WHERE c.dump = ?1 AND p.label IS NOT NULL";

static int count_prompts(struct reading *r, sqlite3_stmt *s, struct err *e)
{
    bool more;
    struct prompt_codes *c = r->out;
    (void)sqlite3_bind_int64(s, 1, r->dump);
    TRY(step(&more, s, r, e));
    int64_t n = sqlite3_column_int64(s, 0);
    int64_t positives = sqlite3_column_int64(s, 1);
    if (sqlite3_column_int64(s, 2) > 0)
        return err_set(e, ERR_INPUT,
                       "%s: %lld of %lld labelled prompts are outside the "
                       "sample and have no codes; encode with more --rows",
                       r->path, (long long)sqlite3_column_int64(s, 2),
                       (long long)n);
    if (positives <= 0 || positives >= n || n > PROMPTS_MAX)
        return err_set(e, ERR_INPUT,
                       "%s has %lld positive and %lld negative examples; both "
                       "are needed",
                       r->path, (long long)positives,
                       (long long)(n - positives));
    c->positives = (size_t)positives;
    c->prompts = (size_t)n;
    TRY(arena_get(&c->arena, &c->label, c->prompts, sizeof *c->label, "labels",
                  e));
    TRY(arena_get(&c->arena, &c->context, c->prompts, sizeof *c->context,
                  "labels", e));
    TRY(arena_get(&c->arena, &c->answer, c->prompts, sizeof *c->answer,
                  "answers", e));
    TRY(arena_get(&r->arena, &r->token, c->prompts, sizeof *r->token, "tokens",
                  e));
    return arena_get(&r->arena, &r->tokens, c->prompts, sizeof *r->tokens,
                     "tokens", e);
}

static const char prompts_sql[] =
    "SELECT p.context - (SELECT min(id) FROM context WHERE dump = ?1),"
    " p.label, p.token, c.first_token, c.tokens, coalesce(p.answer, -1)"
    " FROM prompt AS p JOIN context AS c ON c.id = p.context"
    " WHERE c.dump = ?1 AND p.label IS NOT NULL ORDER BY p.context";

static int add_prompt(struct reading *r, size_t i, sqlite3_stmt *s,
                      struct err *e)
{
    struct prompt_codes *c = r->out;
    int64_t first = sqlite3_column_int64(s, 3), n = sqlite3_column_int64(s, 4);
    int64_t at = r->o->token < 0 ? n + r->o->token : r->o->token;
    c->context[i] = (uint64_t)sqlite3_column_int64(s, 0);
    c->label[i] = (int8_t)sqlite3_column_int(s, 1);
    c->answer[i] = sqlite3_column_int(s, 5);
    if (n < 1 || n > TOKENS_MAX)
        return err_set(e, ERR_INPUT, "%s: context %lld has %lld tokens",
                       r->path, (long long)c->context[i], (long long)n);
    if (r->o->at == PROMPT_CODES_TOKEN && (at < 0 || at >= n))
        return err_set(e, ERR_INPUT,
                       "%s: context %lld has %lld tokens, none at position "
                       "%lld",
                       r->path, (long long)c->context[i], (long long)n,
                       (long long)r->o->token);
    r->tokens[i] = r->o->at == PROMPT_CODES_ALL ? n : 1;
    r->token[i] = r->o->at == PROMPT_CODES_ALL     ? first
                  : r->o->at == PROMPT_CODES_TOKEN ? first + at
                                                   : sqlite3_column_int64(s, 2);
    c->rows += (size_t)r->tokens[i];
    return 0;
}

static int read_prompts(struct reading *r, sqlite3_stmt *s, struct err *e)
{
    struct prompt_codes *c = r->out;
    size_t n = 0, row = 0;
    bool more;
    (void)sqlite3_bind_int64(s, 1, r->dump);
    for (;; n++) {
        TRY(step(&more, s, r, e));
        if (!more || n == c->prompts)
            break;
        TRY(add_prompt(r, n, s, e));
    }
    TRY(arena_get(&c->arena, &c->prompt, c->rows, sizeof *c->prompt, "tokens",
                  e));
    for (size_t i = 0; i < n; i++)
        for (int64_t k = 0; k < r->tokens[i]; k++)
            c->prompt[row++] = (uint32_t)i;
    return 0;
}

/* ---- codes ---- */

static const char codes_sql[] =
    "SELECT token, feature, heads FROM activation_by_token"
    " WHERE sae = ?1 AND token BETWEEN ?2 AND ?3 AND heads <> 0";

static int add_code(struct reading *r, int layer, int32_t *row, sqlite3_stmt *s,
                    struct err *e)
{
    int layer_heads = r->out->layer_heads;
    int64_t feature = sqlite3_column_int64(s, 1);
    uint64_t heads = (uint64_t)sqlite3_column_int64(s, 2);
    if (feature < 0 || feature >= r->d_sae[layer])
        return err_set(
            e, ERR_INPUT, "%s: SAE %lld has feature %lld of %lld at token %lld",
            r->path, (long long)r->sae[layer], (long long)feature,
            (long long)r->d_sae[layer], (long long)sqlite3_column_int64(s, 0));
    for (int h = 0; h < layer_heads; h++)
        if (((heads >> h) & 1) == 1)
            row[layer * layer_heads + h] = (int32_t)feature;
    return 0;
}

static int read_span(struct reading *r, int layer, size_t i, int32_t *rows,
                     sqlite3_stmt *s, struct err *e)
{
    size_t heads = (size_t)(r->out->layers * r->out->layer_heads);
    bool more;
    (void)sqlite3_bind_int64(s, 1, r->sae[layer]);
    (void)sqlite3_bind_int64(s, 2, r->token[i]);
    (void)sqlite3_bind_int64(s, 3, r->token[i] + r->tokens[i] - 1);
    for (;;) {
        TRY(step(&more, s, r, e));
        if (!more)
            break;
        int64_t t = sqlite3_column_int64(s, 0) - r->token[i];
        TRY(add_code(r, layer, rows + (size_t)t * heads, s, e));
    }
    return sqlite3_reset(s) == SQLITE_OK
               ? 0
               : store_error(r->db, "read", r->path, e);
}

static int read_codes(struct reading *r, sqlite3_stmt *s, struct err *e)
{
    struct prompt_codes *c = r->out;
    size_t heads = (size_t)(c->layers * c->layer_heads);
    TRY(arena_get(&c->arena, &c->code, c->rows * heads, sizeof *c->code,
                  "codes", e));
    for (size_t i = 0; i < c->rows * heads; i++)
        c->code[i] = -1;
    for (int l = 0; l < c->layers; l++) {
        int32_t *rows = c->code;
        for (size_t i = 0; i < c->prompts; i++) {
            TRY(read_span(r, l, i, rows, s, e));
            rows += (size_t)r->tokens[i] * heads;
        }
    }
    return 0;
}

/* ---- all of it ---- */

static int read_all(struct reading *r, struct err *e)
{
    TRY(with(r, dump_sql, choose_dump, e));
    TRY(with(r, saes_sql, choose_saes, e));
    TRY(with(r, count_sql, count_prompts, e));
    TRY(with(r, prompts_sql, read_prompts, e));
    return with(r, codes_sql, read_codes, e);
}

int prompt_codes_read(struct prompt_codes *out, const char *path,
                      const struct prompt_codes_options *o, struct err *e)
{
    *out = (struct prompt_codes){0};
    struct reading r = {.out = out, .o = o, .path = path};
    TRY(store_open_read(&r.db, path, e));
    int code = read_all(&r, e);
    (void)sqlite3_close(r.db);
    arena_free(&r.arena);
    if (code != 0)
        prompt_codes_free(out);
    return code;
}

void prompt_codes_free(struct prompt_codes *c)
{
    arena_free(&c->arena);
    *c = (struct prompt_codes){0};
}
