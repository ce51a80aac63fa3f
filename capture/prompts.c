/* SPDX-License-Identifier: MIT */
#include "capture/prompts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json_lines.h"

enum { LAYOUT_NAME_MAX = 1000 };

/* Lists that grow with every line. */
struct reading {
    struct prompts *p;
    const struct model *m;
    const struct prompts_options *o;
    json_t *layouts;
    char **field; /* [n_fields] of the layout */
    size_t n_fields, capacity;
    struct token_list ids, answers, wrong;
    struct arena arena;
};

/* ---- ids ---- */

static int add_ids(struct token_list *l, const json_t *array, const char *key,
                   const struct reading *r, const char *where, struct err *e)
{
    const json_t *value;
    size_t i;
    if (!json_is_array(array))
        return err_set(e, ERR_INPUT, "%s: '%s' must be an array of token ids",
                       where, key);
    json_array_foreach(array, i, value)
    {
        json_int_t id = json_integer_value(value);
        if (!json_is_integer(value) || id < 0 || id >= r->m->gpt2.config.vocab)
            return err_set(
                e, ERR_INPUT,
                "%s: '%s': entry %zu must be a token id from 0 to %d", where,
                key, i, r->m->gpt2.config.vocab - 1);
        TRY(token_list_add(l, (int32_t)id, e));
    }
    return 0;
}

static int encode(struct token_list *l, const json_t *text, const char *key,
                  const struct reading *r, const char *where, struct err *e)
{
    if (!json_is_string(text))
        return err_set(e, ERR_INPUT, "%s: '%s' must be a string", where, key);
    return tokenizer_encode(r->m->tokenizer, l, json_string_value(text),
                            json_string_length(text), where, e);
}

/* A prompt's own tokens. */
static int read_tokens(struct reading *r, const json_t *object,
                       const char *where, struct err *e)
{
    const json_t *ids = json_object_get(object, "ids");
    const json_t *text = json_object_get(object, "text");
    size_t before = r->ids.n;
    if (ids == NULL && text == NULL)
        return err_set(e, ERR_INPUT, "%s: neither 'text' nor 'ids'", where);
    if (ids != NULL) {
        TRY(add_ids(&r->ids, ids, "ids", r, where, e));
    } else {
        if (r->o->bos)
            TRY(token_list_add(&r->ids, tokenizer_bos(r->m->tokenizer), e));
        TRY(encode(&r->ids, text, "text", r, where, e));
    }
    size_t n = r->ids.n - before;
    if (n == 0)
        return err_set(e, ERR_INPUT, "%s: the prompt is empty", where);
    if (n > (size_t)r->m->gpt2.config.positions)
        return err_set(e, ERR_INPUT,
                       "%s: the prompt has %zu tokens, but the model only %d "
                       "positions",
                       where, n, r->m->gpt2.config.positions);
    return 0;
}

static int add_one_token(struct token_list *l, const json_t *text,
                         const char *key, const struct reading *r,
                         const char *where, struct err *e)
{
    size_t before = l->n;
    TRY(encode(l, text, key, r, where, e));
    if (l->n - before == 1)
        return 0;
    return err_set(e, ERR_INPUT,
                   "%s: '%s' must be one token, but '%.60s' is %zu; give ids "
                   "in '%s_tokens'",
                   where, key, json_string_value(text), l->n - before, key);
}

/* "answer_tokens", or else "answer". */
static int read_wanted(struct token_list *l, const json_t *object,
                       const char *key, const struct reading *r,
                       const char *where, struct err *e)
{
    char ids_key[32];
    (void)snprintf(ids_key, sizeof ids_key, "%s_tokens", key);
    const json_t *ids = json_object_get(object, ids_key), *value;
    const json_t *text = json_object_get(object, key);
    size_t i;
    if (ids != NULL)
        return add_ids(l, ids, ids_key, r, where, e);
    if (text == NULL || json_is_null(text))
        return 0;
    if (!json_is_array(text))
        return add_one_token(l, text, key, r, where, e);
    json_array_foreach(text, i, value)
        TRY(add_one_token(l, value, key, r, where, e));
    return 0;
}

/* ---- layouts ---- */

/* The field's value as compact JSON, behind what is there. */
static int add_field(char *name, const json_t *object, const char *field,
                     const char *where, struct err *e)
{
    char key[256];
    const json_t *value = object;
    for (const char *at = field; value != NULL; at += strlen(key) + 1) {
        size_t n = strcspn(at, ".");
        if (n >= sizeof key)
            return err_set(e, ERR_INPUT, "layout field '%.40s...' is too long",
                           field);
        memcpy(key, at, n);
        key[n] = '\0';
        value = json_object_get(value, key);
        if (at[n] == '\0')
            break;
    }
    if (value == NULL)
        return err_set(e, ERR_INPUT, "%s: no field '%s', which --layout names",
                       where, field);
    size_t used = strlen(name);
    size_t n = json_dumpb(value, name + used, LAYOUT_NAME_MAX - 1 - used,
                          JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
    if (n == 0 || n > LAYOUT_NAME_MAX - 2 - used)
        return err_set(e, ERR_INPUT, "%s: '%s' is too long for a layout", where,
                       field);
    name[used + n] = '\0';
    return 0;
}

static int read_layout(int32_t *out, struct reading *r, const json_t *object,
                       size_t length, const char *where, struct err *e)
{
    char name[LAYOUT_NAME_MAX];
    (void)snprintf(name, sizeof name, "%zu ", length);
    for (size_t i = 0; i < r->n_fields; i++)
        TRY(add_field(name, object, r->field[i], where, e));
    json_t *number = json_object_get(r->layouts, name);
    if (number == NULL) {
        number = json_integer((json_int_t)json_object_size(r->layouts));
        if (json_object_set_new(r->layouts, name, number) != 0)
            return err_memory(e, "layouts", 0);
    }
    *out = (int32_t)json_integer_value(number);
    return 0;
}

/* ---- lines ---- */

/* Room for one prompt more. What is outgrown stays in the arena until the end,
 * which is at most as much again. */
static int have_room(struct reading *r, struct err *e)
{
    struct prompts *p = r->p;
    if (p->n + 1 < r->capacity)
        return 0;
    size_t n = r->capacity == 0 ? 256 : 2 * r->capacity;
    const struct {
        void *array; /* the address of a pointer */
        size_t size;
    } arrays[] = {
        {&p->tokens.start, sizeof *p->tokens.start},
        {&p->answers.start, sizeof *p->answers.start},
        {&p->wrong.start, sizeof *p->wrong.start},
        {&p->position, sizeof *p->position},
        {&p->label, sizeof *p->label},
        {&p->layout, sizeof *p->layout},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        void **array = arrays[i].array, *old = *array;
        TRY(arena_get(&p->arena, array, n, arrays[i].size, "prompts", e));
        if (old != NULL)
            memcpy(*array, old, r->capacity * arrays[i].size);
    }
    r->capacity = n;
    return 0;
}

static int read_position(int32_t *out, const json_t *object, size_t length,
                         const char *where, struct err *e)
{
    int64_t position, n = (int64_t)length;
    TRY(json_get_int(&position, object, "position", -n, n - 1, -1, where, e));
    *out = (int32_t)(position < 0 ? n + position : position);
    return 0;
}

static int read_prompt(struct reading *r, const json_t *object,
                       const char *where, struct err *e)
{
    struct prompts *p = r->p;
    int64_t label;
    TRY(json_get_int(&label, object, "label", 0, 1, -1, where, e));
    if (r->o->label >= 0 && label != r->o->label)
        return 0;
    TRY(have_room(r, e));
    size_t i = p->n;
    TRY(read_tokens(r, object, where, e));
    TRY(read_wanted(&r->answers, object, "answer", r, where, e));
    TRY(read_wanted(&r->wrong, object, "wrong", r, where, e));
    size_t length = r->ids.n - (size_t)p->tokens.start[i];
    TRY(read_position(&p->position[i], object, length, where, e));
    TRY(read_layout(&p->layout[i], r, object, length, where, e));
    p->label[i] = (int8_t)label;
    p->tokens.start[i + 1] = (int64_t)r->ids.n;
    p->answers.start[i + 1] = (int64_t)r->answers.n;
    p->wrong.start[i + 1] = (int64_t)r->wrong.n;
    p->n++;
    return 0;
}

static int read_lines(struct reading *r, const char *path, struct err *e)
{
    struct json_lines lines;
    bool more = true;
    TRY(json_lines_open(&lines, path, e));
    int code = json_lines_next(&lines, &more, e);
    while (code == 0 && more) {
        code = read_prompt(r, lines.object, lines.where, e);
        if (code == 0)
            code = json_lines_next(&lines, &more, e);
    }
    json_lines_close(&lines);
    return code;
}

static int keep(struct prompts_list *out, const struct token_list *l,
                struct arena *arena, struct err *e)
{
    TRY(arena_get(arena, &out->ids, l->n, sizeof *out->ids, "prompts", e));
    if (l->n > 0)
        memcpy(out->ids, l->ids, l->n * sizeof *l->ids);
    return 0;
}

static int read_all(struct reading *r, const char *path, struct err *e)
{
    struct prompts *p = r->p;
    if (r->o->layout != NULL)
        TRY(arena_list(&r->arena, &r->field, &r->n_fields, r->o->layout, e));
    TRY(read_lines(r, path, e));
    if (p->n == 0)
        return err_set(e, ERR_INPUT, "%s: no prompts in it%s", path,
                       r->o->label >= 0 ? " with the label asked for" : "");
    TRY(keep(&p->tokens, &r->ids, &p->arena, e));
    TRY(keep(&p->answers, &r->answers, &p->arena, e));
    return keep(&p->wrong, &r->wrong, &p->arena, e);
}

int prompts_read(struct prompts *p, const struct model *m, const char *path,
                 const struct prompts_options *o, json_t *layouts,
                 struct err *e)
{
    *p = (struct prompts){0};
    struct reading r = {.p = p, .m = m, .o = o, .layouts = layouts};
    int code = read_all(&r, path, e);
    token_list_free(&r.ids);
    token_list_free(&r.answers);
    token_list_free(&r.wrong);
    arena_free(&r.arena);
    if (code != 0)
        prompts_free(p);
    return code;
}

void prompts_free(struct prompts *p)
{
    arena_free(&p->arena);
    *p = (struct prompts){0};
}

static json_t *ids_json(const struct prompts_list *l, size_t i)
{
    json_t *array = json_array();
    for (int64_t k = l->start[i]; k < l->start[i + 1]; k++)
        (void)json_array_append_new(array, json_integer(l->ids[k]));
    return array;
}

json_t *prompts_json(const struct prompts *p)
{
    json_t *array = json_array();
    for (size_t i = 0; i < p->n; i++) {
        json_t *label =
            p->label[i] < 0 ? json_null() : json_integer(p->label[i]);
        json_t *one =
            json_pack("{s:o, s:i, s:o, s:o}", "label", label, "position",
                      p->position[i], "answer_tokens", ids_json(&p->answers, i),
                      "wrong_tokens", ids_json(&p->wrong, i));
        if (json_array_append_new(array, one) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}
