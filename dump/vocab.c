/* SPDX-License-Identifier: MIT */
#include "dump/vocab.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/output.h"
#include "base/utf8.h"

int vocab_init(struct vocab *v, size_t n, struct err *e)
{
    static char nothing[1];
    *v = (struct vocab){.n = n};
    TRY(arena_get(&v->arena, &v->text, n, sizeof *v->text, "vocabulary", e));
    TRY(arena_get(&v->arena, &v->length, n, sizeof *v->length, "vocabulary",
                  e));
    for (size_t i = 0; i < n; i++)
        v->text[i] = nothing;
    return 0;
}

int vocab_set(struct vocab *v, size_t id, const char *bytes, size_t length,
              struct err *e)
{
    assert(id < v->n);
    TRY(arena_get(&v->arena, &v->text[id], length + 1, 1, "vocabulary", e));
    memcpy(v->text[id], bytes, length);
    v->length[id] = length;
    return 0;
}

void vocab_free(struct vocab *v)
{
    arena_free(&v->arena);
    *v = (struct vocab){0};
}

/* ---- the array form ---- */

/* An entry that is an array of byte values. */
static int set_bytes(struct vocab *v, size_t id, const json_t *values,
                     const char *path, struct err *e)
{
    size_t n = json_array_size(values);
    TRY(arena_get(&v->arena, &v->text[id], n + 1, 1, "vocabulary", e));
    v->length[id] = n;
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(values, i);
        json_int_t byte = json_integer_value(value);
        if (!json_is_integer(value) || byte < 0 || byte > 255)
            return err_set(e, ERR_INPUT,
                           "%s: token %zu: bytes must be whole numbers from 0 "
                           "to 255",
                           path, id);
        v->text[id][i] = (char)byte;
    }
    return 0;
}

static int read_array(struct vocab *v, const json_t *array, const char *path,
                      struct err *e)
{
    TRY(vocab_init(v, json_array_size(array), e));
    for (size_t id = 0; id < v->n; id++) {
        const json_t *entry = json_array_get(array, id);
        if (json_is_string(entry))
            TRY(vocab_set(v, id, json_string_value(entry),
                          json_string_length(entry), e));
        else if (json_is_array(entry))
            TRY(set_bytes(v, id, entry, path, e));
        else
            return err_set(e, ERR_INPUT,
                           "%s: token %zu is neither a string nor an array of "
                           "bytes",
                           path, id);
    }
    return 0;
}

/* ---- the object form of GPT-2 ---- */

/* GPT-2 writes a byte as a character: the printable ones of Latin-1 as
 * themselves, the other 68 in order as U+0100 and on. byte_of[character] is the
 * byte, or -1. */
enum { ALPHABET_END = 0x100 + 68 };

static bool is_printable(int byte)
{
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
}

static void make_alphabet(int16_t byte_of[ALPHABET_END])
{
    int next = 0x100;
    for (int c = 0; c < ALPHABET_END; c++)
        byte_of[c] = -1;
    for (int byte = 0; byte < 256; byte++)
        byte_of[is_printable(byte) ? byte : next++] = (int16_t)byte;
}

/* The next character of valid UTF-8, as far as the alphabet needs it: one
 * beyond gives ALPHABET_END. Moves *at behind it. */
static int next_character(const char **at)
{
    unsigned char first = (unsigned char)*(*at)++;
    if (first < 0x80)
        return first;
    int c = (first & 0x1f) << 6 | ((unsigned char)**at & 0x3f);
    while (((unsigned char)**at & 0xc0) == 0x80)
        (*at)++;
    return first < 0xe0 && c < ALPHABET_END ? c : ALPHABET_END;
}

static int set_symbols(struct vocab *v, size_t id, const char *symbols,
                       const int16_t byte_of[ALPHABET_END], const char *path,
                       struct err *e)
{
    char *text;
    size_t n = 0;
    TRY(arena_get(&v->arena, &text, strlen(symbols) + 1, 1, "vocabulary", e));
    for (const char *at = symbols; *at != '\0';) {
        int c = next_character(&at);
        if (c == ALPHABET_END || byte_of[c] < 0)
            return err_set(e, ERR_INPUT,
                           "%s: token %zu, '%.60s', is not written in the byte "
                           "alphabet of GPT-2; give an array of strings",
                           path, id, symbols);
        text[n++] = (char)byte_of[c];
    }
    v->text[id] = text;
    v->length[id] = n;
    return 0;
}

/* Each id from 0 to n - 1 must come once. */
static int read_object(struct vocab *v, json_t *object, const char *path,
                       struct err *e)
{
    int16_t byte_of[ALPHABET_END];
    make_alphabet(byte_of);
    TRY(vocab_init(v, json_object_size(object), e));
    bool *seen;
    TRY(arena_get(&v->arena, &seen, v->n, sizeof *seen, "vocabulary", e));
    const char *symbols;
    json_t *value;
    json_object_foreach(object, symbols, value)
    {
        json_int_t id = json_integer_value(value);
        if (!json_is_integer(value) || id < 0 || (size_t)id >= v->n)
            return err_set(e, ERR_INPUT,
                           "%s: '%.60s' must have an id from 0 to %zu, one "
                           "less than there are tokens",
                           path, symbols, v->n - 1);
        if (seen[id])
            return err_set(e, ERR_INPUT, "%s: two tokens have the id %lld",
                           path, (long long)id);
        seen[id] = true;
        TRY(set_symbols(v, (size_t)id, symbols, byte_of, path, e));
    }
    return 0;
}

int vocab_read(struct vocab *v, const char *path, struct err *e)
{
    *v = (struct vocab){0};
    json_t *root;
    TRY(json_read(&root, path, e));
    int code;
    if (json_is_array(root))
        code = read_array(v, root, path, e);
    else
        code = read_object(v, root, path, e);
    json_decref(root);
    if (code == 0 && v->n == 0)
        code = err_set(e, ERR_INPUT, "%s: no tokens", path);
    if (code != 0)
        vocab_free(v);
    return code;
}

int vocab_read_tokenizer(struct vocab *v, const char *folder, struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    TRY(output_join(path, folder, "vocab.json", e));
    return vocab_read(v, path, e);
}

/* ---- writing ---- */

/* JSON strings hold UTF-8; a NUL inside one is more than our reader takes.
 * NULL without memory. */
static json_t *token_json(const char *text, size_t length)
{
    if (utf8_valid_prefix(text, length) == length &&
        memchr(text, '\0', length) == NULL)
        return json_stringn(text, length);
    json_t *bytes = json_array();
    for (size_t i = 0; i < length; i++) {
        json_t *byte = json_integer((unsigned char)text[i]);
        if (json_array_append_new(bytes, byte) != 0) {
            json_decref(bytes);
            return NULL;
        }
    }
    return bytes;
}

int vocab_write(const struct vocab *v, const char *path, struct err *e)
{
    json_t *array = json_array();
    bool bad = array == NULL;
    for (size_t id = 0; id < v->n && !bad; id++)
        bad = json_array_append_new(
                  array, token_json(v->text[id], v->length[id])) != 0;
    int code =
        bad ? err_memory(e, "vocabulary", 0) : json_write(path, array, e);
    json_decref(array);
    return code;
}
