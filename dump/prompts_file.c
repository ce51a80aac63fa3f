/* SPDX-License-Identifier: MIT */
#include "dump/prompts_file.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"

enum { WHERE_MAX = 320 };

/* The first of answer_tokens, or -1. */
static int read_answer(int32_t *answer, const json_t *object, const char *where,
                       struct err *e)
{
    const json_t *first =
        json_array_get(json_object_get(object, "answer_tokens"), 0);
    json_int_t id = json_is_integer(first) ? json_integer_value(first) : -1;
    if (first != NULL && (id < 0 || id > INT32_MAX))
        return err_set(e, ERR_INPUT, "%s: answer_tokens must be ids of tokens",
                       where);
    *answer = (int32_t)id;
    return 0;
}

static int read_one(int8_t *label, int32_t *position, const json_t *object,
                    int64_t length, const char *where, struct err *e)
{
    int64_t value;
    if (!json_is_object(object))
        return err_set(e, ERR_INPUT, "%s must be an object", where);
    TRY(json_get_int(&value, object, "label", 0, 1, -1, where, e));
    *label = (int8_t)value;
    TRY(json_need_int(&value, object, "position", 0, length - 1, where, e));
    *position = (int32_t)value;
    return 0;
}

static int read_all(struct dump_prompts *p, const json_t *root,
                    const int64_t *starts, uint64_t contexts,
                    struct arena *arena, const char *path, struct err *e)
{
    int8_t *label;
    int32_t *position, *answer;
    if (!json_is_array(root) || json_array_size(root) != contexts)
        return err_set(e, ERR_INPUT,
                       "%s must be an array with an object for each of the "
                       "%" PRIu64 " contexts",
                       path, contexts);
    TRY(arena_get(arena, &label, contexts, sizeof *label, "labels", e));
    TRY(arena_get(arena, &position, contexts, sizeof *position, "positions",
                  e));
    TRY(arena_get(arena, &answer, contexts, sizeof *answer, "answers", e));
    for (uint64_t k = 0; k < contexts; k++) {
        char where[WHERE_MAX];
        (void)snprintf(where, sizeof where, "%.260s: context %" PRIu64, path,
                       k);
        TRY(read_one(&label[k], &position[k], json_array_get(root, k),
                     starts[k + 1] - starts[k], where, e));
        TRY(read_answer(&answer[k], json_array_get(root, k), where, e));
    }
    p->label = label;
    p->position = position;
    p->answer = answer;
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
