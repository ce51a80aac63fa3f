/* SPDX-License-Identifier: MIT */
#include "dump/prompts_file.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"

enum { WHERE_MAX = 320 };

/* The first of "answer_tokens", which may be null or empty. */
static int read_answer(int32_t *answer, const json_t *object, const char *where,
                       struct err *e)
{
    const json_t *list = json_object_get(object, "answer_tokens");
    const json_t *first = json_array_get(list, 0);
    *answer = -1;
    if (list == NULL || json_is_null(list) ||
        (json_is_array(list) && json_array_size(list) == 0))
        return 0;
    if (!json_is_integer(first) || json_integer_value(first) < 0 ||
        json_integer_value(first) > INT32_MAX)
        return err_set(e, ERR_INPUT,
                       "%s: 'answer_tokens' must be an array of token ids",
                       where);
    *answer = (int32_t)json_integer_value(first);
    return 0;
}

struct one {
    int8_t *label;
    int32_t *position, *answer;
};

static int read_one(struct one *out, uint64_t k, const json_t *object,
                    int64_t length, const char *where, struct err *e)
{
    int64_t value;
    if (!json_is_object(object))
        return err_set(e, ERR_INPUT, "%s must be an object", where);
    TRY(json_get_int(&value, object, "label", 0, 1, -1, where, e));
    out->label[k] = (int8_t)value;
    TRY(json_need_int(&value, object, "position", 0, length - 1, where, e));
    out->position[k] = (int32_t)value;
    return read_answer(&out->answer[k], object, where, e);
}

static int read_all(struct dump_prompts *p, const json_t *root,
                    const int64_t *starts, uint64_t contexts,
                    struct arena *arena, const char *path, struct err *e)
{
    struct one all;
    if (!json_is_array(root) || json_array_size(root) != contexts)
        return err_set(e, ERR_INPUT,
                       "%s must be an array with an object for each of the "
                       "%" PRIu64 " contexts",
                       path, contexts);
    TRY(arena_get(arena, &all.label, contexts, sizeof *all.label, "labels", e));
    TRY(arena_get(arena, &all.position, contexts, sizeof *all.position,
                  "positions", e));
    TRY(arena_get(arena, &all.answer, contexts, sizeof *all.answer, "answers",
                  e));
    for (uint64_t k = 0; k < contexts; k++) {
        char where[WHERE_MAX];
        (void)snprintf(where, sizeof where, "%.260s: context %" PRIu64, path,
                       k);
        TRY(read_one(&all, k, json_array_get(root, k),
                     starts[k + 1] - starts[k], where, e));
    }
    *p = (struct dump_prompts){all.label, all.position, all.answer};
    return 0;
}

int prompts_file_read(struct dump_prompts *p, const int64_t *starts,
                      uint64_t contexts, struct arena *arena, const char *path,
                      struct err *e)
{
    json_t *root;
    TRY(json_read(&root, path, e));
    int code = read_all(p, root, starts, contexts, arena, path, e);
    json_decref(root);
    return code;
}
