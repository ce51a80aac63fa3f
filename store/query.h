/* SPDX-License-Identifier: MIT
 *
 * The questions that the viewer asks, one prepared SELECT each, and a cursor
 * over its rows:
 *
 *     struct query q = query_begin(queries, QUERY_LEVELS);
 *     query_bind(&q, sae);
 *     query_bind(&q, feature);
 *     ...
 *     while (query_next(&q))
 *         use(query_int(&q, LEVELS_TOKEN), query_int(&q, LEVELS_LEVEL));
 *     return query_end(&q, e);
 *
 * Parameters are bound in their order; failures surface in query_end, which
 * must be called. A query that is under way cannot be begun again. Each reads
 * along an index: none costs more than the rows that it gives, but where its
 * comment says so.
 */
#ifndef STORE_QUERY_H
#define STORE_QUERY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum query_name {
    QUERY_DUMPS,           /* (): columns by name */
    QUERY_SAES,            /* (): columns by name, by layer and id */
    QUERY_SAE_FACTS,       /* (): enum sae_facts_column, in the same order */
    QUERY_CATALOG,         /* (sae): enum catalog_column, by feature */
    QUERY_FEATURE,         /* (sae, feature): columns by name */
    QUERY_FEATURE_HEADS,   /* (sae, feature): enum feature_heads_column */
    QUERY_HISTOGRAM,       /* (sae, feature): bin, count */
    QUERY_EXAMPLE_SETS,    /* (sae, feature): enum example_sets_column */
    QUERY_EXAMPLES,        /* (sae, feature, kind, limit): enum example_column,
                              the strongest interval first */
    QUERY_HEAD_EXAMPLES,   /* (sae, feature, head, limit): the same */
    QUERY_BEST_OF_HEAD,    /* (sae, head, limit): the same; one a feature */
    QUERY_EXAMPLE_VOCAB,   /* (sae, feature, limit): vocab, never NULL */
    QUERY_HEAD_VOCAB,      /* (sae, feature, head, limit): the same */
    QUERY_HEADS_VOCAB,     /* (sae, feature): enum heads_vocab_column, by head
                              and rank */
    QUERY_WINDOW,          /* (first, last token): enum window_column */
    QUERY_LEVELS,          /* (sae, feature, first, last): token, level */
    QUERY_SOURCES,         /* (sae, feature, token): enum sources_column, the
                              strongest first */
    QUERY_SOURCE_SAMPLE,   /* (sae): how many tokens the next two rest on */
    QUERY_SOURCE_OFFSETS,  /* (sae, feature): enum source_offsets_column */
    QUERY_SOURCE_TOKENS,   /* (sae, feature): enum source_tokens_column */
    QUERY_LOGITS,          /* (sae, feature): enum logits_column, by rank */
    QUERY_NEIGHBOURS,      /* (sae, feature): feature, cosine, by rank */
    QUERY_PAIR_SAMPLE,     /* (sae): how many tokens the next rests on */
    QUERY_PAIRS,           /* (sae, feature): enum pairs_column, by rank */
    QUERY_POSITIONS,       /* (sae, feature): enum positions_column */
    QUERY_GROUPS,          /* (sae, feature): enum groups_column */
    QUERY_STRINGS,         /* (sae, feature): enum strings_column */
    QUERY_STRING_FEATURES, /* (sae, vocab): enum string_features_column */
    QUERY_SOURCE_FEATURES, /* (sae, vocab): enum source_features_column */
    QUERY_STRING_USE,      /* (sae, vocab): how often, in the SAE's dump */
    QUERY_CONTEXT,         /* (context): enum context_column */
    QUERY_CONTEXT_AFTER,   /* (context): the next of the sample */
    QUERY_CONTEXT_BEFORE,  /* (context): the one before */
    QUERY_TOKEN,           /* (token): context, position */
    QUERY_STRING_PLACES,   /* (vocab, limit): enum string_places_column, the
                              first of the sample */
    QUERY_ACTIVE,          /* (sae, token): enum active_column, by level */
    QUERY_CODE_HEADS,      /* (sae, token, feature): as ACTIVE_HEADS */
    QUERY_CONTRIBUTIONS,   /* (sae, feature, token): enum contributions_column;
                              reads all examples of the feature's heads */
    QUERY_HEADS,           /* (sae): enum heads_column, by head */
    QUERY_HEAD_CODES,      /* (sae, head): feature, count, the frequent first */
    QUERY_HEAD_GROUPS,     /* (sae, head): enum head_groups_column */
    QUERY_HEAD_SOURCES,    /* (sae, head, limit): enum head_sources_column, of
                              so many of the strongest examples */
    QUERY_METRICS,         /* (sae): name, step, value, by name and step */
    QUERY_SAE_TEXTS,       /* (sae): config, options */
    QUERY_SAE_TOKENS,      /* (sae): first token id and number of its dump */
    QUERY_ACTIVE_TOKENS,   /* (sae, feature, token, limit): tokens from there
                              on, of the sample */
    QUERY_ACTIVE_FEATURES, /* (sae, token): features, in no order */
    QUERY_SHARES,          /* (sae): enum shares_column; reads all */
    QUERY_SHARE_OF_HEAD,   /* (sae, feature, head): data_share */
    QUERY_SHARES_OF_HEAD,  /* (sae, head, at least): feature, data_share */
    QUERY_VOCAB,           /* (id): enum vocab_column */
    QUERY_VOCAB_ALL,       /* (end of ids): the same, by id: reads the table
                              from its beginning */
    QUERY_VOCAB_BY_TEXT,   /* (text): the same */
    QUERY_VOCAB_WITHIN,    /* (text, limit): those that contain it, letters of
                              either case; reads all strings */
    QUERY_VOCAB_BY_START,  /* (text, limit): the same, the frequent first;
                              reads all that begin so */
    QUERY_CIRCUITS,        /* (): columns by name, by id */
    QUERY_CIRCUIT_HEADS,   /* (circuit): enum circuit_heads_column, by layer
                              and head */
    QUERY_CIRCUIT_CODES,   /* (circuit, layer, head): enum circuit_codes_column,
                              those only of positives first */
    QUERY_CIRCUIT_PROMPTS, /* (circuit, layer, head): enum
                              circuit_prompts_column, positives first; all
                              prompts, with the code that the head has there */
    QUERY_CIRCUIT_TOKENS,  /* (circuit, prompt, first, last position): enum
                              circuit_tokens_column */
    QUERY_CIRCUIT_EDGES,   /* (circuit, limit): enum circuit_edges_column, the
                              strongest first; sorts all of the circuit */
    QUERY_CIRCUIT_PAIRS,   /* (circuit, layer, head, layer, head, limit): enum
                              circuit_pairs_column; joins a row a prompt */
    QUERY_N
};

enum sae_facts_column {
    SAE_FACTS_ID,
    SAE_FACTS_LAYER,
    SAE_FACTS_NAME,
    SAE_FACTS_HEADS,
    SAE_FACTS_D_SAE,
    SAE_FACTS_TOKENS,
    SAE_FACTS_FINGERPRINT,
};
enum catalog_column {
    CATALOG_FEATURE,
    CATALOG_FIRES,
    CATALOG_DENSITY,
    CATALOG_MAX,
    CATALOG_MEAN,
    CATALOG_TOP_HEAD,
    CATALOG_TOP_SHARE,
    CATALOG_ENTROPY,
};
enum feature_heads_column {
    FEATURE_HEADS_HEAD,
    FEATURE_HEADS_WEIGHT,
    FEATURE_HEADS_DATA,
};
enum example_column {
    EXAMPLE_FEATURE,
    EXAMPLE_RANK,
    EXAMPLE_TOKEN,
    EXAMPLE_VALUE,
    EXAMPLE_CONTRIBUTION, /* NULL: not one of a head */
    EXAMPLE_CONTEXT,
    EXAMPLE_POSITION,
    EXAMPLE_FIRST,  /* of the context: token id */
    EXAMPLE_TOKENS, /* of the context */
    EXAMPLE_VOCAB,
    EXAMPLE_SAMPLED,  /* whether table activation has the context */
    EXAMPLE_INTERVAL, /* NULL: one of a head */
};
enum example_sets_column {
    EXAMPLE_SETS_KIND,
    EXAMPLE_SETS_INTERVAL,
    EXAMPLE_SETS_ABOVE,
    EXAMPLE_SETS_UP_TO,
    EXAMPLE_SETS_TOKENS,
    EXAMPLE_SETS_EXAMPLES,
};
enum heads_vocab_column {
    HEADS_VOCAB_HEAD,
    HEADS_VOCAB_VOCAB, /* never NULL */
    HEADS_VOCAB_VALUE,
    HEADS_VOCAB_CONTRIBUTION,
};
enum window_column {
    WINDOW_TOKEN,
    WINDOW_VOCAB, /* NULL: not known */
};
enum levels_column {
    LEVELS_TOKEN,
    LEVELS_LEVEL,
};
enum histogram_column {
    HISTOGRAM_BIN,
    HISTOGRAM_COUNT,
};
enum sources_column {
    SOURCES_HEAD,
    SOURCES_SOURCE, /* token id */
    SOURCES_CONTRIBUTION,
};
enum source_offsets_column {
    SOURCE_OFFSETS_FIRST, /* tokens back */
    SOURCE_OFFSETS_LAST,
    SOURCE_OFFSETS_SHARE,
    SOURCE_OFFSETS_COUNT,
};
enum source_tokens_column {
    SOURCE_TOKENS_VOCAB,
    SOURCE_TOKENS_SHARE,
    SOURCE_TOKENS_COUNT,
};
enum logits_column {
    LOGITS_RANK, /* below 0: suppressed */
    LOGITS_VOCAB,
    LOGITS_LOGIT,
};
enum neighbours_column {
    NEIGHBOURS_FEATURE,
    NEIGHBOURS_COSINE,
};
enum pairs_column {
    PAIRS_OTHER,
    PAIRS_COUNT,
    PAIRS_EXPECTED,
};
enum positions_column {
    POSITIONS_FIRST,
    POSITIONS_LAST,
    POSITIONS_TOKENS, /* of the dump */
    POSITIONS_FIRES,
};
enum groups_column {
    GROUPS_NAME,
    GROUPS_TOKENS, /* of the dump */
    GROUPS_FIRES,
};
enum strings_column {
    STRINGS_VOCAB,
    STRINGS_COUNT,
    STRINGS_MAX,
    STRINGS_MEAN,
    STRINGS_USE, /* how often the string occurs in the SAE's dump */
};
enum string_features_column {
    STRING_FEATURES_FEATURE,
    STRING_FEATURES_COUNT,
    STRING_FEATURES_MAX,
    STRING_FEATURES_MEAN,
};
enum string_places_column {
    STRING_PLACES_TOKEN,
    STRING_PLACES_CONTEXT,
    STRING_PLACES_POSITION,
    STRING_PLACES_FIRST,  /* token id of the context */
    STRING_PLACES_TOKENS, /* of the context */
};
enum context_column {
    CONTEXT_DUMP,
    CONTEXT_FIRST, /* token id */
    CONTEXT_TOKENS,
    CONTEXT_SAMPLED, /* whether table activation has it */
    CONTEXT_GROUP,   /* name; NULL: not known */
};
enum token_column {
    TOKEN_CONTEXT,
    TOKEN_POSITION,
};
enum active_column {
    ACTIVE_FEATURE,
    ACTIVE_LEVEL,
    ACTIVE_HEADS, /* whose code it is there: the sum of 1 << h */
    ACTIVE_SCALE,
    ACTIVE_MAX,
    ACTIVE_DENSITY,
    ACTIVE_TOP_HEAD, /* NULL: none */
};
enum contributions_column {
    CONTRIBUTIONS_HEAD,
    CONTRIBUTIONS_CONTRIBUTION,
    CONTRIBUTIONS_LEVEL, /* of the feature */
};
enum heads_column {
    HEADS_HEAD,
    HEADS_FVU,
    HEADS_HELD_OUT_FVU,
    HEADS_CODE_ENTROPY,
    HEADS_EFFECTIVE_GROUPS,
};
enum head_codes_column {
    HEAD_CODES_FEATURE,
    HEAD_CODES_COUNT,
};
enum head_groups_column {
    HEAD_GROUPS_NUMBER,
    HEAD_GROUPS_FEATURE,
    HEAD_GROUPS_COUNT, /* how often it is the head's code */
};
enum head_sources_column {
    HEAD_SOURCES_VOCAB, /* NULL: not known */
    HEAD_SOURCES_DISTANCE,
    HEAD_SOURCES_CONTRIBUTION,
};
enum metrics_column {
    METRICS_NAME,
    METRICS_STEP,
    METRICS_VALUE,
};
enum sae_texts_column {
    SAE_TEXTS_CONFIG, /* NULL: trained elsewhere */
    SAE_TEXTS_OPTIONS,
};
enum source_features_column {
    SOURCE_FEATURES_FEATURE,
    SOURCE_FEATURES_SHARE,
    SOURCE_FEATURES_COUNT,
};
enum shares_column {
    SHARES_FEATURE,
    SHARES_HEAD,
    SHARES_SHARE,
};
enum shares_of_head_column {
    SHARES_OF_HEAD_FEATURE,
    SHARES_OF_HEAD_SHARE,
};
enum vocab_column {
    VOCAB_ID,
    VOCAB_TEXT,
    VOCAB_ESCAPED,
    VOCAB_COUNT,
};

enum circuit_heads_column {
    CIRCUIT_HEADS_LAYER,
    CIRCUIT_HEADS_HEAD,
    CIRCUIT_HEADS_IN_CIRCUIT, /* NULL: not known */
    CIRCUIT_HEADS_EFFECT,     /* NULL: not known */
    CIRCUIT_HEADS_MEASURE,    /* score, score_edges, score_shuffled,
                                 mean_difference, probe */
};
enum circuit_codes_column {
    CIRCUIT_CODES_CODE,
    CIRCUIT_CODES_POSITIVES,
    CIRCUIT_CODES_NEGATIVES,
};
enum circuit_prompts_column {
    CIRCUIT_PROMPTS_PROMPT,
    CIRCUIT_PROMPTS_LABEL,
    CIRCUIT_PROMPTS_POSITION, /* NULL: not known */
    CIRCUIT_PROMPTS_ANSWER,   /* NULL: not known */
    CIRCUIT_PROMPTS_TEXT,
    CIRCUIT_PROMPTS_CODE, /* NULL: none */
};
enum circuit_tokens_column {
    CIRCUIT_TOKENS_TEXT,
    CIRCUIT_TOKENS_ESCAPED,
};
enum circuit_edges_column {
    CIRCUIT_EDGES_LAYER,
    CIRCUIT_EDGES_HEAD,
    CIRCUIT_EDGES_OTHER_LAYER,
    CIRCUIT_EDGES_OTHER_HEAD,
    CIRCUIT_EDGES_PAIRS,
    CIRCUIT_EDGES_ALL, /* how many the circuit has */
};
enum circuit_pairs_column {
    CIRCUIT_PAIRS_CODE,
    CIRCUIT_PAIRS_OTHER_CODE,
    CIRCUIT_PAIRS_PROMPTS,
};

struct sqlite3;
struct sqlite3_stmt;

struct queries {
    struct sqlite3 *db;
    const char *path; /* for messages */
    struct sqlite3_stmt *stmt[QUERY_N];
};

/* Keeps db and path. Finalize after a failure too. */
int queries_prepare(struct queries *all, struct sqlite3 *db, const char *path,
                    struct err *e);
void queries_finalize(struct queries *all);

struct query {
    const struct queries *all;
    struct sqlite3_stmt *stmt;
    int bound;  /* parameters so far */
    int result; /* what SQLite said last */
};

struct query query_begin(const struct queries *all, enum query_name name);
void query_bind(struct query *q, int64_t value);
void query_bind_real(struct query *q, double value);
/* Borrowed until query_end. */
void query_bind_text(struct query *q, const char *text, size_t length);

/* Goes to the next row, if there is one. */
bool query_next(struct query *q);
int query_end(struct query *q, struct err *e);

/* Columns of the row. NULL is 0 or NaN; a text is valid until query_next and
 * may hold anything, as the file may come from anyone. */
bool query_is_null(const struct query *q, int column);
int64_t query_int(const struct query *q, int column);
double query_real(const struct query *q, int column);
const char *query_text(const struct query *q, int column, size_t *length);

/* The row as an object, by the names of its columns; text that is no UTF-8 is
 * null. NULL without memory. */
json_t *query_object(const struct query *q);

#endif
