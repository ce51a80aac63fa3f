/* SPDX-License-Identifier: MIT */
#include "store/vocabulary.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    int64_t count;
    uint32_t at; /* in the text */
    uint16_t length;
    bool kept, escaped;
};

struct vocabulary {
    struct entry *entries; /* by id */
    char *text;
    size_t n, room;           /* entries */
    size_t length, text_room; /* bytes of text */
    atomic_bool complete;
};

int vocabulary_new(struct vocabulary **out, struct err *e)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL)
        return err_memory(e, "the token strings", sizeof **out);
    return 0;
}

static void empty(struct vocabulary *v)
{
    free(v->entries);
    free(v->text);
    v->entries = NULL;
    v->text = NULL;
    v->n = v->room = v->length = v->text_room = 0;
}

void vocabulary_free(struct vocabulary **vocabulary)
{
    if (*vocabulary == NULL)
        return;
    empty(*vocabulary);
    free(*vocabulary);
    *vocabulary = NULL;
}

/* Room for that many elements; returns where they are now, NULL: no memory. */
static void *with_room(void *old, size_t *room, size_t wanted, size_t size)
{
    if (wanted <= *room)
        return old;
    size_t grown = wanted < 4096 ? 4096 : wanted + wanted / 2;
    void *moved = realloc(old, grown * size);
    if (moved != NULL)
        *room = grown;
    return moved;
}

static int make_room(struct vocabulary *v, size_t n, size_t length,
                     struct err *e)
{
    struct entry *entries = with_room(v->entries, &v->room, n, sizeof *entries);
    if (entries == NULL)
        return err_memory(e, "the token strings", n * sizeof *entries);
    v->entries = entries;
    char *text = with_room(v->text, &v->text_room, length + 1, 1);
    if (text == NULL)
        return err_memory(e, "the token strings", length);
    v->text = text;
    return 0;
}

/* Ids rise; those that are left out have no string. */
static int keep(struct vocabulary *v, const struct query *q, struct err *e)
{
    size_t length;
    int64_t id = query_int(q, VOCAB_ID);
    const char *text = query_text(q, VOCAB_TEXT, &length);
    if (id < (int64_t)v->n || id >= VOCABULARY_IDS ||
        length > VOCABULARY_LENGTH || v->length + length > VOCABULARY_BYTES)
        return 0;
    TRY(make_room(v, (size_t)id + 1, v->length + length, e));
    memset(v->entries + v->n, 0, ((size_t)id - v->n) * sizeof *v->entries);
    memcpy(v->text + v->length, text, length);
    v->entries[id] =
        (struct entry){.count = query_int(q, VOCAB_COUNT),
                       .at = (uint32_t)v->length,
                       .length = (uint16_t)length,
                       .kept = true,
                       .escaped = query_int(q, VOCAB_ESCAPED) != 0};
    v->n = (size_t)id + 1;
    v->length += length;
    return 0;
}

int vocabulary_fill(struct vocabulary *v, const struct queries *queries,
                    struct err *e)
{
    int code = 0;
    struct query q = query_begin(queries, QUERY_VOCAB_ALL);
    query_bind(&q, VOCABULARY_IDS);
    while (code == 0 && query_next(&q))
        code = keep(v, &q, e);
    int ended = query_end(&q, e);
    code = code != 0 ? code : ended;
    if (code != 0)
        empty(v);
    atomic_store(&v->complete, code == 0);
    return code;
}

bool vocabulary_find(struct vocabulary_string *out, const struct vocabulary *v,
                     int64_t id)
{
    if (!atomic_load(&v->complete) || id < 0 || id >= (int64_t)v->n ||
        !v->entries[id].kept)
        return false;
    const struct entry *found = &v->entries[id];
    *out = (struct vocabulary_string){.text = v->text + found->at,
                                      .length = found->length,
                                      .escaped = found->escaped,
                                      .count = found->count};
    return true;
}
