/* SPDX-License-Identifier: MIT */
#include "capture/tokenizer.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/output.h"
#include "base/utf8.h"

enum { SPECIAL_MAX = 256 };

struct tokenizer {
    struct vocab vocab;
    struct bpe bpe;
    pcre2_code *pattern;
    int32_t special[SPECIAL_MAX]; /* ids of tokens found in the text itself */
    size_t n_special;
    int32_t bos, eos;
};

/* GPT-2's expression: 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+|
 * ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * Every character begins one of the alternatives, so the pieces are contiguous.
 * White space is spelt out as Unicode's White_Space, since PCRE2's \s also
 * holds U+180E. Letters and numbers are those of Unicode 16, as for Hugging
 * Face tokenizers: what PCRE2 10.42 has of Unicode 14 and, spelt out, what came
 * after it. Where an alternative cannot give anything back, its repeat is
 * possessive, so that matching is linear. */
#define SPACE                                                                  \
    "\\x09-\\x0d\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}"          \
    "\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define LETTER                                                                 \
    "\\p{L}"                                                                   \
    "\\x{1c89}-\\x{1c8a}\\x{a7cb}-\\x{a7cd}\\x{a7da}-\\x{a7dc}"                \
    "\\x{105c0}-\\x{105f3}\\x{10d4a}-\\x{10d65}\\x{10d6f}-\\x{10d85}"          \
    "\\x{10ec2}-\\x{10ec4}\\x{1123f}-\\x{11240}\\x{11380}-\\x{11389}"          \
    "\\x{1138b}\\x{1138e}\\x{11390}-\\x{113b5}\\x{113b7}\\x{113d1}"            \
    "\\x{113d3}\\x{11bc0}-\\x{11be0}\\x{11f02}\\x{11f04}-\\x{11f10}"           \
    "\\x{11f12}-\\x{11f33}\\x{1342f}\\x{13441}-\\x{13446}"                     \
    "\\x{13460}-\\x{143fa}\\x{16100}-\\x{1611d}\\x{16d40}-\\x{16d6c}"          \
    "\\x{18cff}\\x{1b132}\\x{1b155}\\x{1df25}-\\x{1df2a}"                      \
    "\\x{1e030}-\\x{1e06d}\\x{1e4d0}-\\x{1e4eb}\\x{1e5d0}-\\x{1e5ed}"          \
    "\\x{1e5f0}\\x{2b739}\\x{2ebf0}-\\x{2ee5d}\\x{31350}-\\x{323af}"
#define NUMBER                                                                 \
    "\\p{N}"                                                                   \
    "\\x{10d40}-\\x{10d49}\\x{116d0}-\\x{116e3}\\x{11bf0}-\\x{11bf9}"          \
    "\\x{11f50}-\\x{11f59}\\x{16130}-\\x{16139}\\x{16d70}-\\x{16d79}"          \
    "\\x{1ccf0}-\\x{1ccf9}\\x{1d2c0}-\\x{1d2d3}\\x{1e4f0}-\\x{1e4f9}"          \
    "\\x{1e5f1}-\\x{1e5fa}"
static const char piece_pattern[] = "'(?:s|t|re|ve|m|ll|d)"
                                    "| ?[" LETTER "]++"
                                    "| ?[" NUMBER "]++"
                                    "| ?[^" SPACE LETTER NUMBER "]++"
                                    "|[" SPACE "]+(?![^" SPACE "])"
                                    "|[" SPACE "]++";

static int compile_pattern(struct tokenizer *t, struct err *e)
{
    int code;
    PCRE2_SIZE at;
    t->pattern =
        pcre2_compile((PCRE2_SPTR)piece_pattern, PCRE2_ZERO_TERMINATED,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED, &code, &at, NULL);
    if (t->pattern == NULL)
        return err_set(e, ERR_SYSTEM, "PCRE2 refuses the pattern at %zu: %d",
                       (size_t)at, code);
    /* Where there is no JIT the interpreter gives the same pieces. */
    (void)pcre2_jit_compile(t->pattern, PCRE2_JIT_COMPLETE);
    return 0;
}

/* ---- the folder ---- */

static int find_token(const struct tokenizer *t, int32_t *id, const char *text,
                      struct err *e)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < t->vocab.n; i++)
        if (t->vocab.length[i] == length && length > 0 &&
            memcmp(t->vocab.text[i], text, length) == 0) {
            *id = (int32_t)i;
            return 0;
        }
    return err_set(e, ERR_INPUT, "special token '%s' is not in vocab.json",
                   text);
}

static int add_special(struct tokenizer *t, int32_t id, struct err *e)
{
    for (size_t i = 0; i < t->n_special; i++)
        if (t->special[i] == id)
            return 0;
    if (t->n_special == SPECIAL_MAX)
        return err_set(e, ERR_INPUT, "more than %d special tokens",
                       SPECIAL_MAX);
    t->special[t->n_special++] = id;
    return 0;
}

/* A token as tokenizer_config.json gives it: a string, or an object with
 * "content" and switches that widen what it matches. */
static int read_token(const struct tokenizer *t, int32_t *id,
                      const json_t *token, const char *where, struct err *e)
{
    static const char *const switches[] = {"lstrip", "rstrip", "single_word"};
    const char *text = json_string_value(token);
    if (json_is_object(token)) {
        TRY(json_need_string(&text, token, "content", where, e));
        for (size_t i = 0; i < 3; i++) {
            bool on;
            TRY(json_get_bool(&on, token, switches[i], false, where, e));
            if (on)
                return err_set(e, ERR_INPUT, "%s: '%s' is not supported", where,
                               switches[i]);
        }
    }
    if (text == NULL)
        return err_set(e, ERR_INPUT, "%s: a token must be a string", where);
    if (find_token(t, id, text, e) != 0)
        return err_prefix(e, "%s", where);
    return 0;
}

/* "bos_token" and its like; GPT2Tokenizer's default where it is absent. */
static int read_named_token(struct tokenizer *t, int32_t *id,
                            const json_t *config, const char *key,
                            const char *path, struct err *e)
{
    const json_t *token = json_object_get(config, key);
    if (token == NULL || json_is_null(token)) {
        if (find_token(t, id, "<|endoftext|>", e) != 0)
            return err_prefix(e, "%s", path);
    } else {
        TRY(read_token(t, id, token, path, e));
    }
    return add_special(t, *id, e);
}

static int read_added_tokens(struct tokenizer *t, const json_t *config,
                             const char *path, struct err *e)
{
    const char *key;
    json_t *token, *added = json_object_get(config, "added_tokens_decoder");
    json_object_foreach(added, key, token)
    {
        int32_t id;
        TRY(read_token(t, &id, token, path, e));
        if (strtol(key, NULL, 10) != id)
            return err_set(e, ERR_INPUT,
                           "%s: added token %s has id %d in vocab.json", path,
                           key, id);
        TRY(add_special(t, id, e));
    }
    return 0;
}

static int check_class(const json_t *config, const char *path, struct err *e)
{
    const char *class;
    bool prefix_space;
    TRY(json_get_string(&class, config, "tokenizer_class", "GPT2Tokenizer",
                        path, e));
    if (strcmp(class, "GPT2Tokenizer") != 0 &&
        strcmp(class, "GPT2TokenizerFast") != 0)
        return err_set(e, ERR_INPUT,
                       "%s: tokenizer_class is '%s'; only GPT2Tokenizer is "
                       "supported",
                       path, class);
    TRY(json_get_bool(&prefix_space, config, "add_prefix_space", false, path,
                      e));
    if (prefix_space)
        return err_set(e, ERR_INPUT, "%s: add_prefix_space is not supported",
                       path);
    return 0;
}

static int read_config(struct tokenizer *t, const char *path, struct err *e)
{
    json_t *config = NULL;
    int32_t unknown;
    int code = access(path, F_OK) == 0 ? json_read(&config, path, e) : 0;
    if (code == 0)
        code = check_class(config, path, e);
    if (code == 0)
        code = read_named_token(t, &t->bos, config, "bos_token", path, e);
    if (code == 0)
        code = read_named_token(t, &t->eos, config, "eos_token", path, e);
    if (code == 0)
        code = read_named_token(t, &unknown, config, "unk_token", path, e);
    if (code == 0)
        code = read_added_tokens(t, config, path, e);
    json_decref(config);
    return code;
}

static int read_vocab(struct tokenizer *t, const char *folder, struct err *e)
{
    char vocab[OUTPUT_PATH_MAX], merges[OUTPUT_PATH_MAX];
    json_t *ids = NULL;
    TRY(output_join(vocab, folder, "vocab.json", e));
    TRY(output_join(merges, folder, "merges.txt", e));
    int code = json_read(&ids, vocab, e);
    if (code == 0 && !json_is_object(ids))
        code =
            err_set(e, ERR_INPUT, "%s: must be an object, token to id", vocab);
    if (code == 0)
        code = vocab_read(&t->vocab, vocab, e); /* checks the ids too */
    if (code == 0)
        code = bpe_open(&t->bpe, merges, ids, &t->vocab, e);
    json_decref(ids);
    return code;
}

int tokenizer_open(struct tokenizer **out, const char *folder, struct err *e)
{
    char config[OUTPUT_PATH_MAX];
    *out = NULL;
    TRY(output_join(config, folder, "tokenizer_config.json", e));
    struct tokenizer *t = calloc(1, sizeof *t);
    if (t == NULL)
        return err_memory(e, "tokenizer", sizeof *t);
    int code = read_vocab(t, folder, e);
    if (code == 0)
        code = read_config(t, config, e);
    if (code == 0)
        code = compile_pattern(t, e);
    if (code != 0)
        tokenizer_close(&t);
    *out = t;
    return code;
}

void tokenizer_close(struct tokenizer **t)
{
    if (*t == NULL)
        return;
    vocab_free(&(*t)->vocab);
    bpe_close(&(*t)->bpe);
    pcre2_code_free((*t)->pattern);
    free(*t);
    *t = NULL;
}

const struct vocab *tokenizer_vocab(const struct tokenizer *t)
{
    return &t->vocab;
}

int32_t tokenizer_bos(const struct tokenizer *t)
{
    return t->bos;
}

int32_t tokenizer_eos(const struct tokenizer *t)
{
    return t->eos;
}

/* ---- text to ids ---- */

struct encoding {
    const struct tokenizer *t;
    const char *text, *name;
    size_t size, at;
    size_t next[SPECIAL_MAX]; /* where each special token comes next */
    pcre2_match_data *match;
    struct bpe_scratch scratch;
};

static int check_utf8(const char *text, size_t size, const char *name,
                      struct err *e)
{
    size_t valid = utf8_valid_prefix(text, size);
    if (valid == size)
        return 0;
    size_t line = 1;
    for (size_t i = 0; i < valid; i++)
        line += text[i] == '\n';
    return err_set(e, ERR_INPUT,
                   "%s: byte %zu (line %zu) is not UTF-8: 0x%02X; convert the "
                   "text with iconv -t UTF-8",
                   name, valid, line, (unsigned)(unsigned char)text[valid]);
}

/* Where special token number i comes next from `at` on, or g->size. */
static size_t find_special(const struct encoding *g, size_t i, size_t at)
{
    const struct vocab *v = &g->t->vocab;
    const char *token = v->text[g->t->special[i]];
    size_t length = v->length[g->t->special[i]];
    while (g->size - at >= length) {
        const char *first =
            memchr(g->text + at, token[0], g->size - at - length + 1);
        if (first == NULL)
            break;
        at = (size_t)(first - g->text);
        if (memcmp(first, token, length) == 0)
            return at;
        at++;
    }
    return g->size;
}

/* The first special token at or after `at`, of several at one place the
 * longest: its position, or g->size with *id -1. Each token's next place is
 * kept until it is passed, so that the text is searched once per token. */
static size_t next_special(struct encoding *g, size_t at, int32_t *id)
{
    const size_t *length = g->t->vocab.length;
    size_t best = g->size;
    *id = -1;
    for (size_t i = 0; i < g->t->n_special; i++) {
        int32_t token = g->t->special[i];
        if (g->next[i] < at)
            g->next[i] = find_special(g, i, at);
        bool longer = *id >= 0 && length[token] > length[*id];
        if (g->next[i] < best || (g->next[i] == best && longer)) {
            best = g->next[i];
            *id = token;
        }
    }
    return best;
}

/* Encodes one piece of the text before `end`, where a special token begins: as
 * for Hugging Face, white space there stands at the end of a text. The pattern
 * never looks back, so the subject may begin with the piece. */
static int encode_piece(struct encoding *g, struct token_list *out, size_t end,
                        struct err *e)
{
    const char *piece = g->text + g->at;
    int n = pcre2_match(g->t->pattern, (PCRE2_SPTR)piece, end - g->at, 0,
                        PCRE2_NO_UTF_CHECK, g->match, NULL);
    size_t size = n > 0 ? pcre2_get_ovector_pointer(g->match)[1] : 0;
    if (size == 0)
        return err_set(e, ERR_SYSTEM, "%s: PCRE2 fails at byte %zu: %d",
                       g->name, g->at, n);
    if (bpe_encode(&g->t->bpe, &g->scratch, out, piece, size, e) != 0)
        return err_prefix(e, "%s: byte %zu", g->name, g->at);
    g->at += size;
    return 0;
}

int encoding_open(struct encoding **out, const struct tokenizer *t,
                  const char *text, size_t size, const char *name,
                  struct err *e)
{
    *out = NULL;
    TRY(check_utf8(text, size, name, e));
    struct encoding *g = calloc(1, sizeof *g);
    if (g == NULL)
        return err_memory(e, "tokenizing", sizeof *g);
    *g = (struct encoding){.t = t, .text = text, .size = size, .name = name};
    g->match = pcre2_match_data_create(1, NULL);
    if (g->match == NULL) {
        encoding_close(&g);
        return err_memory(e, "tokenizing", sizeof *g);
    }
    for (size_t i = 0; i < t->n_special; i++)
        g->next[i] = find_special(g, i, 0);
    *out = g;
    return 0;
}

int encoding_next(struct encoding *g, struct token_list *out, size_t n,
                  struct err *e)
{
    size_t before = out->n;
    while (g->at < g->size && out->n - before < n) {
        int32_t id;
        size_t special = next_special(g, g->at, &id);
        while (g->at < special && out->n - before < n)
            TRY(encode_piece(g, out, special, e));
        if (g->at == special && id >= 0) {
            TRY(token_list_add(out, id, e));
            g->at += g->t->vocab.length[id];
        }
    }
    return 0;
}

size_t encoding_position(const struct encoding *g)
{
    return g->at;
}

void encoding_close(struct encoding **g)
{
    if (*g == NULL)
        return;
    pcre2_match_data_free((*g)->match);
    bpe_scratch_free(&(*g)->scratch);
    free(*g);
    *g = NULL;
}

int tokenizer_encode(const struct tokenizer *t, struct token_list *out,
                     const char *text, size_t size, const char *name,
                     struct err *e)
{
    struct encoding *g;
    TRY(encoding_open(&g, t, text, size, name, e));
    int code = encoding_next(g, out, SIZE_MAX, e);
    encoding_close(&g);
    return code;
}
