/* SPDX-License-Identifier: MIT */
#include "store/query.h"

#include <assert.h>
#include <math.h>

#include <sqlite3.h>

#include "store/database.h"

/* The CROSS JOINs go from the few examples to their tokens, by key. */
#define JOIN_PLACE                                                             \
    " CROSS JOIN token AS t ON t.id = e.token"                                 \
    " CROSS JOIN context AS c ON c.id = t.context"
#define EXAMPLE_COLUMNS(value, contribution, interval)                         \
    "SELECT e.feature, e.rank, e.token, " value ", " contribution ","          \
    " t.context, t.position, c.first_token, c.tokens, t.vocab, "               \
    "c.sampled, " interval " FROM "
#define JOIN_SCALE                                                             \
    " CROSS JOIN feature AS f ON f.sae = e.sae AND f.feature = e.feature"
#define HEAD_EXAMPLE_VALUE "(e.level - 0.5) * f.scale"
#define VOCAB_COLUMNS "SELECT id, text, bytes IS NOT NULL, count FROM vocab "

static const char *const sql[QUERY_N] = {
    [QUERY_DUMPS] =
        "SELECT id, name, model, model_fingerprint, first_layer, layers,"
        " heads, d_head, d_model, dtype, bos, fold_value_biases, tokens,"
        " contexts, context_source,"
        " has_tokens, has_strings, sample_contexts, sample_tokens"
        " FROM dump ORDER BY id",
    [QUERY_SAES] =
        "SELECT id, dump, name, layer, hook, architecture, d_in, d_sae, heads,"
        " fingerprint, held_out_fvu, held_out_l0, held_out_dead, train_fvu,"
        " pca_fvu, tokens, fvu, l0, l1, mse, cosine, relative_bias, dead,"
        " activations FROM sae ORDER BY layer, id",
    [QUERY_SAE_FACTS] = "SELECT id, layer, name, heads, d_sae, tokens,"
                        " fingerprint FROM sae"
                        " ORDER BY layer, id",
    [QUERY_CATALOG] =
        "SELECT feature, fires, density, max, mean, top_head, top_share,"
        " entropy FROM feature WHERE sae = ? ORDER BY feature",
    [QUERY_FEATURE] =
        "SELECT f.feature, s.d_sae, s.tokens, f.fires, f.density, f.max,"
        " f.mean, f.scale, f.strings AS n_strings, f.entropy, f.top_head,"
        " f.top_share"
        " FROM feature AS f CROSS JOIN sae AS s ON s.id = f.sae"
        " WHERE f.sae = ? AND f.feature = ?",
    [QUERY_FEATURE_HEADS] =
        "SELECT head, weight_share, data_share FROM feature_head"
        " WHERE sae = ? AND feature = ? ORDER BY head",
    [QUERY_HISTOGRAM] = "SELECT bin, count FROM histogram"
                        " WHERE sae = ? AND feature = ? ORDER BY bin",
    [QUERY_EXAMPLE_SETS] =
        "SELECT kind, interval, above, up_to, tokens, examples"
        " FROM example_set WHERE sae = ? AND feature = ?"
        " ORDER BY kind, interval",
    [QUERY_EXAMPLES] = EXAMPLE_COLUMNS(
        "e.value", "NULL",
        "e.interval") "example AS e" JOIN_PLACE
                      " WHERE e.sae = ? AND e.feature = ? AND e.kind = ?"
                      " ORDER BY e.interval DESC, e.rank LIMIT ?",
    [QUERY_HEAD_EXAMPLES] = EXAMPLE_COLUMNS(
        HEAD_EXAMPLE_VALUE, "e.contribution",
        "NULL") "head_example AS e" JOIN_SCALE JOIN_PLACE
                " WHERE e.sae = ? AND e.feature = ? AND e.head = ?"
                " ORDER BY e.rank LIMIT ?",
    [QUERY_BEST_OF_HEAD] =
        EXAMPLE_COLUMNS(HEAD_EXAMPLE_VALUE, "e.contribution",
                        "NULL") "head_example AS e INDEXED BY "
                                "head_example_best" JOIN_SCALE JOIN_PLACE
                                " WHERE e.sae = ? AND e.head = ? AND e.rank = 1"
                                " ORDER BY e.contribution DESC LIMIT ?",
    [QUERY_EXAMPLE_VOCAB] =
        "SELECT t.vocab FROM example AS e"
        " CROSS JOIN token AS t ON t.id = e.token"
        " WHERE e.sae = ? AND e.feature = ? AND e.kind = 'top'"
        " AND e.interval = 1 AND t.vocab IS NOT NULL ORDER BY e.rank LIMIT ?",
    [QUERY_HEAD_VOCAB] = "SELECT t.vocab FROM head_example AS e"
                         " CROSS JOIN token AS t ON t.id = e.token"
                         " WHERE e.sae = ? AND e.feature = ? AND e.head = ?"
                         " AND t.vocab IS NOT NULL ORDER BY e.rank LIMIT ?",
    [QUERY_HEADS_VOCAB] =
        "SELECT e.head, t.vocab, (e.level - 0.5) * (SELECT scale FROM feature"
        " WHERE sae = ?1 AND feature = ?2), e.contribution"
        " FROM head_example AS e CROSS JOIN token AS t ON t.id = e.token"
        " WHERE e.sae = ?1 AND e.feature = ?2 AND t.vocab IS NOT NULL"
        " ORDER BY e.head, e.rank",
    [QUERY_WINDOW] = "SELECT id, vocab FROM token WHERE id BETWEEN ? AND ?"
                     " ORDER BY id",
    [QUERY_LEVELS] =
        "SELECT token, level FROM activation"
        " WHERE sae = ?1 AND feature = ?2 AND token BETWEEN ?3 AND ?4"
        " UNION ALL SELECT token, level FROM example_activation"
        " WHERE sae = ?1 AND feature = ?2 AND token BETWEEN ?3 AND ?4",
    [QUERY_SOURCES] = "SELECT head, source, contribution FROM example_source"
                      " WHERE sae = ? AND feature = ? AND token = ?"
                      " ORDER BY contribution DESC, head, rank",
    [QUERY_SOURCE_SAMPLE] = "SELECT source_tokens FROM sae WHERE id = ?",
    [QUERY_SOURCE_OFFSETS] =
        "SELECT b.first, b.last, o.share, o.count FROM sae AS s"
        " CROSS JOIN feature_source_offset AS o"
        " CROSS JOIN position_bin AS b ON b.dump = s.dump AND b.bin = o.bin"
        " WHERE s.id = ? AND o.sae = s.id AND o.feature = ? ORDER BY o.bin",
    [QUERY_SOURCE_TOKENS] =
        "SELECT vocab, share, count FROM feature_source_token"
        " WHERE sae = ? AND feature = ? ORDER BY rank",
    [QUERY_LOGITS] = "SELECT rank, vocab, logit FROM feature_logit"
                     " WHERE sae = ? AND feature = ? ORDER BY rank",
    [QUERY_NEIGHBOURS] = "SELECT neighbour, cosine FROM feature_neighbour"
                         " WHERE sae = ? AND feature = ? ORDER BY rank",
    [QUERY_PAIR_SAMPLE] = "SELECT pair_tokens FROM sae WHERE id = ?",
    [QUERY_PAIRS] = "SELECT other, count, expected FROM feature_pair"
                    " WHERE sae = ? AND feature = ? ORDER BY rank",
    [QUERY_POSITIONS] =
        "SELECT b.first, b.last, b.tokens, coalesce(p.fires, 0) FROM sae AS s"
        " CROSS JOIN position_bin AS b"
        " LEFT JOIN feature_position AS p ON p.sae = s.id"
        " AND p.feature = ?2 AND p.bin = b.bin"
        " WHERE s.id = ?1 AND b.dump = s.dump ORDER BY b.bin",
    [QUERY_GROUPS] =
        "SELECT g.name, g.tokens, coalesce(p.fires, 0) FROM sae AS s"
        " CROSS JOIN document_group AS g"
        " LEFT JOIN feature_group AS p ON p.sae = s.id"
        " AND p.feature = ?2 AND p.document_group = g.id"
        " WHERE s.id = ?1 AND g.dump = s.dump ORDER BY g.id",
    [QUERY_STRINGS] =
        "SELECT t.vocab, t.count, t.max, t.mean, u.count FROM sae AS s"
        " CROSS JOIN token_feature AS t INDEXED BY token_feature_by_feature"
        " LEFT JOIN vocab_use AS u ON u.dump = s.dump AND u.vocab = t.vocab"
        " WHERE s.id = ? AND t.sae = s.id AND t.feature = ?",
    [QUERY_STRING_FEATURES] =
        "SELECT feature, count, max, mean FROM token_feature"
        " WHERE sae = ? AND vocab = ? ORDER BY feature",
    [QUERY_SOURCE_FEATURES] =
        "SELECT feature, share, count FROM feature_source_token"
        " WHERE sae = ? AND vocab = ? ORDER BY feature",
    [QUERY_STRING_USE] =
        "SELECT u.count FROM sae AS s CROSS JOIN vocab_use AS u"
        " ON u.dump = s.dump WHERE s.id = ? AND u.vocab = ?",
    [QUERY_CONTEXT] =
        "SELECT c.dump, c.first_token, c.tokens, c.sampled, g.name"
        " FROM context AS c LEFT JOIN document_group AS g"
        " ON g.id = c.document_group WHERE c.id = ?",
    [QUERY_CONTEXT_AFTER] = "SELECT id FROM context WHERE id > ?"
                            " AND sampled = 1 ORDER BY id LIMIT 1",
    [QUERY_CONTEXT_BEFORE] = "SELECT id FROM context WHERE id < ?"
                             " AND sampled = 1 ORDER BY id DESC LIMIT 1",
    [QUERY_TOKEN] = "SELECT context, position FROM token WHERE id = ?",
    [QUERY_STRING_PLACES] =
        "SELECT t.id, t.context, t.position, c.first_token, c.tokens"
        " FROM token AS t INDEXED BY token_by_vocab"
        " CROSS JOIN context AS c ON c.id = t.context"
        " WHERE t.vocab = ? AND c.sampled = 1 ORDER BY t.id LIMIT ?",
    [QUERY_ACTIVE] =
        "SELECT a.feature, a.level, a.heads, f.scale, f.max, f.density,"
        " f.top_head FROM activation_by_token AS a"
        " CROSS JOIN feature AS f ON f.sae = a.sae AND f.feature = a.feature"
        " WHERE a.sae = ? AND a.token = ? ORDER BY a.level DESC, a.feature",
    [QUERY_CODE_HEADS] = "SELECT heads FROM activation_by_token"
                         " WHERE sae = ? AND token = ? AND feature = ?",
    [QUERY_CONTRIBUTIONS] = "SELECT head, contribution, level FROM head_example"
                            " WHERE sae = ? AND feature = ? AND token = ?",
    /* As view polysemantic_heads, which reads all SAEs. */
    [QUERY_HEADS] =
        "SELECT h.head, h.fvu, h.held_out_fvu, h.code_entropy,"
        " g.effective FROM head AS h LEFT JOIN (SELECT head, 1.0 * sum(codes) "
        "* sum(codes)"
        " / sum(1.0 * codes * codes) AS effective FROM (SELECT m.head,"
        " m.number, sum(c.count) AS codes FROM head_group AS m"
        " CROSS JOIN head_code_count AS c WHERE m.sae = ?1 AND c.sae = m.sae"
        " AND c.head = m.head AND c.feature = m.feature"
        " GROUP BY m.head, m.number) GROUP BY head) AS g ON g.head = h.head"
        " WHERE h.sae = ?1 ORDER BY h.head",
    [QUERY_HEAD_CODES] = "SELECT feature, count FROM head_code_count"
                         " WHERE sae = ? AND head = ?"
                         " ORDER BY count DESC, feature",
    [QUERY_HEAD_GROUPS] =
        "SELECT m.number, m.feature, c.count FROM head_group AS m"
        " CROSS JOIN head_code_count AS c WHERE m.sae = ? AND m.head = ?"
        " AND c.sae = m.sae AND c.head = m.head AND c.feature = m.feature"
        " ORDER BY m.number, c.count DESC, m.feature",
    [QUERY_HEAD_SOURCES] =
        "SELECT t.vocab, e.token - s.source, s.contribution"
        " FROM (SELECT feature, token, contribution FROM head_example"
        " INDEXED BY head_example_best WHERE sae = ?1 AND head = ?2"
        " AND rank = 1 ORDER BY contribution DESC LIMIT ?3) AS e"
        " CROSS JOIN example_source AS s CROSS JOIN token AS t"
        " WHERE s.sae = ?1 AND s.feature = e.feature AND s.token = e.token"
        " AND s.head = ?2 AND t.id = s.source",
    [QUERY_METRICS] = "SELECT name, step, value FROM metric WHERE sae = ?"
                      " ORDER BY name, step",
    [QUERY_SAE_TEXTS] = "SELECT config, options FROM sae WHERE id = ?",
    [QUERY_SAE_TOKENS] = "SELECT d.first_token, d.tokens FROM sae AS s"
                         " CROSS JOIN dump AS d ON d.id = s.dump"
                         " WHERE s.id = ?",
    [QUERY_ACTIVE_TOKENS] =
        "SELECT token FROM activation WHERE sae = ? AND feature = ?"
        " AND token >= ? ORDER BY token LIMIT ?",
    [QUERY_ACTIVE_FEATURES] = "SELECT feature FROM activation_by_token"
                              " WHERE sae = ? AND token = ?",
    [QUERY_SHARES] =
        "SELECT feature, head, data_share FROM feature_head WHERE sae = ?",
    [QUERY_SHARE_OF_HEAD] = "SELECT data_share FROM feature_head"
                            " WHERE sae = ? AND feature = ? AND head = ?",
    [QUERY_SHARES_OF_HEAD] = "SELECT feature, data_share FROM feature_head"
                             " INDEXED BY feature_head_by_share"
                             " WHERE sae = ? AND head = ? AND data_share >= ?"
                             " ORDER BY data_share DESC",
    [QUERY_VOCAB] = VOCAB_COLUMNS "WHERE id = ?",
    [QUERY_VOCAB_ALL] = VOCAB_COLUMNS "WHERE id >= 0 AND id < ?",
    [QUERY_VOCAB_BY_TEXT] = VOCAB_COLUMNS "WHERE text = ? ORDER BY count DESC",
    [QUERY_VOCAB_WITHIN] =
        VOCAB_COLUMNS "WHERE instr(lower(text), lower(?1)) > 0"
                      " ORDER BY count DESC, id LIMIT ?2",
    /* U+10FFFF comes after every other character. */
    [QUERY_VOCAB_BY_START] =
        VOCAB_COLUMNS "WHERE text >= ?1 AND text < ?1 || char(1114111)"
                      " ORDER BY count DESC, id LIMIT ?2",
    [QUERY_CIRCUITS] =
        "SELECT id, name, model, layers, first_layer, heads, prompts,"
        " positives, seeds, options, auc, auc_sd, auc_edges, auc_edges_sd,"
        " auc_shuffled, auc_shuffled_sd, auc_mean_difference, auc_probe,"
        " precision, precision_sd, recall, recall_sd, f1, f1_sd, paper_f1,"
        " paper_f1_sd FROM circuit ORDER BY id",
    [QUERY_CIRCUIT_HEADS] =
        "SELECT layer, head, in_circuit, effect, score, score_edges,"
        " score_shuffled, mean_difference, probe FROM circuit_head"
        " WHERE circuit = ? ORDER BY layer, head",
    [QUERY_CIRCUIT_CODES] =
        "SELECT c.code, sum(p.label), count(*) - sum(p.label)"
        " FROM circuit_code AS c CROSS JOIN circuit_prompt AS p"
        " ON p.circuit = c.circuit AND p.prompt = c.prompt"
        " WHERE c.circuit = ? AND c.layer = ? AND c.head = ? GROUP BY c.code"
        " ORDER BY min(p.label) DESC, max(p.label) DESC, count(*) DESC, c.code",
    [QUERY_CIRCUIT_PROMPTS] =
        "SELECT p.prompt, p.label, p.position, p.answer, p.text, c.code"
        " FROM circuit_prompt AS p LEFT JOIN circuit_code AS c"
        " ON c.circuit = p.circuit AND c.prompt = p.prompt AND c.layer = ?2"
        " AND c.head = ?3 WHERE p.circuit = ?1"
        " ORDER BY p.label DESC, p.prompt",
    [QUERY_CIRCUIT_TOKENS] =
        "SELECT text, escaped FROM circuit_token WHERE circuit = ?"
        " AND prompt = ? AND position BETWEEN ? AND ? ORDER BY position",
    [QUERY_CIRCUIT_EDGES] =
        "SELECT layer, head, other_layer, other_head, pairs, count(*) OVER ()"
        " FROM circuit_edge WHERE circuit = ? ORDER BY pairs DESC, layer, head,"
        " other_layer, other_head LIMIT ?",
    [QUERY_CIRCUIT_PAIRS] =
        "SELECT a.code, b.code, count(*) FROM circuit_code AS a"
        " CROSS JOIN circuit_code AS b CROSS JOIN circuit_prompt AS p"
        " WHERE a.circuit = ?1 AND a.layer = ?2 AND a.head = ?3"
        " AND b.circuit = ?1 AND b.layer = ?4 AND b.head = ?5"
        " AND b.prompt = a.prompt AND p.circuit = ?1 AND p.prompt = a.prompt"
        " GROUP BY a.code, b.code HAVING min(p.label) = 1"
        " ORDER BY count(*) DESC, a.code, b.code LIMIT ?6",
};

int queries_prepare(struct queries *all, struct sqlite3 *db, const char *path,
                    struct err *e)
{
    *all = (struct queries){.db = db, .path = path};
    for (int i = 0; i < QUERY_N; i++)
        TRY(store_prepare(&all->stmt[i], db, path, sql[i], e));
    return 0;
}

void queries_finalize(struct queries *all)
{
    for (int i = 0; i < QUERY_N; i++)
        (void)sqlite3_finalize(all->stmt[i]);
    *all = (struct queries){0};
}

struct query query_begin(const struct queries *all, enum query_name name)
{
    assert(!sqlite3_stmt_busy(all->stmt[name]));
    return (struct query){.all = all, .stmt = all->stmt[name]};
}

static void note(struct query *q, int result)
{
    if (q->result == SQLITE_OK)
        q->result = result;
}

void query_bind(struct query *q, int64_t value)
{
    note(q, sqlite3_bind_int64(q->stmt, ++q->bound, value));
}

void query_bind_real(struct query *q, double value)
{
    note(q, sqlite3_bind_double(q->stmt, ++q->bound, value));
}

void query_bind_text(struct query *q, const char *text, size_t length)
{
    note(q, sqlite3_bind_text64(q->stmt, ++q->bound, text, length,
                                SQLITE_STATIC, SQLITE_UTF8));
}

bool query_next(struct query *q)
{
    if (q->result != SQLITE_OK && q->result != SQLITE_ROW)
        return false;
    q->result = sqlite3_step(q->stmt);
    return q->result == SQLITE_ROW;
}

int query_end(struct query *q, struct err *e)
{
    assert(q->bound == sqlite3_bind_parameter_count(q->stmt));
    int code = 0;
    if (q->result == SQLITE_INTERRUPT)
        code = err_set(e, ERR_SYSTEM, "reading %s took too long", q->all->path);
    else if (q->result != SQLITE_OK && q->result != SQLITE_ROW &&
             q->result != SQLITE_DONE)
        code = store_error(q->all->db, "read", q->all->path, e);
    (void)sqlite3_reset(q->stmt);
    (void)sqlite3_clear_bindings(q->stmt);
    return code;
}

bool query_is_null(const struct query *q, int column)
{
    return sqlite3_column_type(q->stmt, column) == SQLITE_NULL;
}

int64_t query_int(const struct query *q, int column)
{
    return sqlite3_column_int64(q->stmt, column);
}

double query_real(const struct query *q, int column)
{
    return query_is_null(q, column) ? (double)NAN
                                    : sqlite3_column_double(q->stmt, column);
}

const char *query_text(const struct query *q, int column, size_t *length)
{
    const unsigned char *text = sqlite3_column_text(q->stmt, column);
    *length = (size_t)sqlite3_column_bytes(q->stmt, column);
    return text == NULL ? "" : (const char *)text;
}

json_t *query_object(const struct query *q)
{
    return store_row_object(q->stmt);
}
