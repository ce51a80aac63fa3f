/* SPDX-License-Identifier: MIT */
#include "viewer/strings.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/shape.h"

static bool is_there(const struct strings *s, int64_t id)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->ids[i] == id)
            return true;
    return false;
}

/* Takes what a query of vocab_column gives, as far as there is room. */
static int take(struct strings *out, struct query *q, struct err *e)
{
    while (out->n < LIST_VOCABS_MAX && query_next(q)) {
        int64_t id = query_int(q, VOCAB_ID);
        if (is_there(out, id))
            continue;
        out->ids[out->n++] = id;
    }
    return query_end(q, e);
}

int strings_find(struct strings *out, struct call *c, const char *text,
                 size_t length)
{
    struct query q = query_begin(c->queries, QUERY_VOCAB_BY_TEXT);
    query_bind_text(&q, text, length);
    return take(out, &q, c->e);
}

static int find_spaced(struct strings *out, struct call *c, const char *text)
{
    size_t length = strlen(text);
    char *spaced = malloc(length + 2);
    if (spaced == NULL)
        return err_memory(c->e, "a string", length);
    spaced[0] = ' ';
    memcpy(spaced + 1, text, length + 1);
    int code = strings_find(out, c, spaced, length + 1);
    free(spaced);
    return code;
}

static int find_id(struct strings *out, struct call *c, int64_t id)
{
    size_t before = out->n;
    bool known = is_there(out, id);
    struct query q = query_begin(c->queries, QUERY_VOCAB);
    query_bind(&q, id);
    TRY(take(out, &q, c->e));
    if (out->n == before && !known)
        return call_refuse(c, 404, "no token string with vocab %lld",
                           (long long)id);
    return 0;
}

/* "594" or "594,1109". */
static int find_ids(struct strings *out, struct call *c)
{
    const char *text = target_text(c->target, "vocab");
    for (int i = 0; i < LIST_VOCABS_MAX; i++) {
        char *end;
        errno = 0;
        long long id = strtoll(text, &end, 10);
        if (end == text || errno != 0 || isspace((unsigned char)*text))
            break;
        TRY(find_id(out, c, id));
        if (*end == '\0')
            return 0;
        if (*end != ',')
            break;
        text = end + 1;
    }
    return call_refuse(c, 400,
                       "vocab must be a whole number, or at most %d with "
                       "commas between them",
                       LIST_VOCABS_MAX);
}

int strings_get(struct strings *out, struct call *c, const char *name,
                bool spaced)
{
    *out = (struct strings){0};
    const char *text = target_text(c->target, name);
    bool by_id = target_has(c->target, "vocab");
    if ((text != NULL) == by_id)
        return call_refuse(c, 400, "give either %s or vocab", name);
    if (by_id)
        return find_ids(out, c);
    TRY(strings_find(out, c, text, strlen(text)));
    return spaced ? find_spaced(out, c, text) : 0;
}

int strings_put(struct call *c, json_t *object, const struct strings *strings,
                bool whole)
{
    json_t *array = call_put_array(c, object, "strings");
    for (size_t i = 0; i < strings->n; i++) {
        int64_t count;
        json_t *one = call_add_object(c, array);
        TRY(shape_string_by_id(&count, c, one, strings->ids[i], whole));
        call_put_int(c, one, "count", count);
    }
    return 0;
}
