/* SPDX-License-Identifier: MIT */
#include "capture/texts.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/output.h"
#include "base/utf8.h"
#include "capture/text_list.h"
#include "dump/dump.h"

/* ---- groups ---- */

static int add_group(struct texts *x, const char *name, const char *where,
                     struct err *e)
{
    if (x->n == DUMP_GROUPS_MAX)
        return err_set(e, ERR_INPUT,
                       "%s: more than %d groups; a dump can have no more",
                       where, DUMP_GROUPS_MAX);
    TRY(arena_string(&x->arena, &x->names[x->n], name, e));
    if (json_object_set_new(x->numbers, name, json_integer((int)x->n)) != 0)
        return err_memory(e, "names of groups", 0);
    x->n++;
    return 0;
}

/* The number of a group, a new one if the name is new; -1 for none. */
static int find_group(struct texts *x, int32_t *group, const char *name,
                      const char *where, struct err *e)
{
    *group = -1;
    if (name == NULL)
        return 0;
    const json_t *number = json_object_get(x->numbers, name);
    if (number == NULL) {
        TRY(add_group(x, name, where, e));
        number = json_object_get(x->numbers, name);
    }
    *group = (int32_t)json_integer_value(number);
    return 0;
}

/* A group for each file. */
static int add_files(struct texts *x, const struct text_list *list,
                     struct err *e)
{
    for (size_t i = 0; i < list->n; i++) {
        char name[OUTPUT_PATH_MAX];
        output_base_name(name, sizeof name, list->paths[i]);
        utf8_repair(name); /* a manifest is JSON */
        if (json_object_get(x->numbers, name) != NULL)
            return err_set(e, ERR_INPUT,
                           "--text: two files are called %s; their names tell "
                           "the groups of contexts apart",
                           name);
        TRY(add_group(x, name, "--text: of the files each is a group", e));
    }
    return 0;
}

/* ---- files ---- */

/* One file, cut by one cutter, or where its lines are packed by group, by one
 * for each and one for what is in none. */
struct reading {
    struct texts *x;
    struct cut_text text;
    bool split;
    struct cutter *cutters; /* [n] */
    size_t n;
};

static int cutter_of(struct reading *r, struct cutter **out, int32_t group,
                     struct err *e)
{
    size_t i = r->split ? (size_t)(group + 1) : 0;
    if (i >= r->n) {
        struct cutter *more = realloc(r->cutters, (i + 1) * sizeof *more);
        if (more == NULL)
            return err_memory(e, "groups", (i + 1) * sizeof *more);
        r->cutters = more;
        while (r->n <= i)
            cutter_begin(&r->cutters[r->n++], &r->text);
    }
    *out = &r->cutters[i];
    (*out)->group = group;
    return 0;
}

static int cut_plain(struct reading *r, const char *path, int32_t group,
                     struct err *e)
{
    struct map m;
    struct cutter *c = NULL;
    TRY(cutter_of(r, &c, group, e));
    TRY(map_open(&m, path, e));
    map_advise_sequential(&m);
    progress_begin(&r->text.bar, "tokenize", "bytes", 0, m.size);
    int code = cutter_add(c, (const char *)m.data, m.size, path, e);
    map_close(&m);
    return code;
}

static int cut_rows(struct reading *r, struct jsonl *j, int32_t group,
                    struct err *e)
{
    for (bool more = true; !r->text.enough;) {
        struct cutter *c = NULL;
        r->text.at = j->lines.at;
        TRY(jsonl_next(j, &more, e));
        if (!more)
            return 0;
        if (j->fields.group != NULL)
            TRY(find_group(r->x, &group, j->group, j->lines.where, e));
        TRY(cutter_of(r, &c, group, e));
        TRY(cutter_add(c, j->text, j->size, j->lines.where, e));
    }
    return 0;
}

static int cut_jsonl(struct reading *r, const char *path, int32_t group,
                     const struct jsonl_fields *fields, struct err *e)
{
    struct jsonl j;
    TRY(jsonl_open(&j, path, fields, e));
    progress_begin(&r->text.bar, "tokenize", "bytes", 0, j.lines.map.size);
    int code = cut_rows(r, &j, group, e);
    jsonl_close(&j);
    return code;
}

/* Puts what was cut behind the contexts that are there. */
static int gather(struct reading *r, const char *path, struct err *e)
{
    if (r->text.tokens == 0)
        return err_set(e, ERR_INPUT, "%s: no text in it", path);
    for (size_t i = 0; i < r->n; i++) {
        TRY(cutter_end(&r->cutters[i], e));
        TRY(contexts_append(&r->x->contexts, &r->cutters[i].contexts, e));
    }
    progress_end(&r->text.bar);
    return 0;
}

static int read_file(struct texts *x, const struct tokenizer *t,
                     const char *path, const struct texts_options *o,
                     int32_t group, struct err *e)
{
    struct reading r = {.x = x,
                        .text = {.t = t, .o = &o->cut},
                        .split = o->cut.pack && o->fields.group != NULL};
    int code = text_list_is_jsonl(path)
                   ? cut_jsonl(&r, path, group, &o->fields, e)
                   : cut_plain(&r, path, group, e);
    if (code == 0)
        code = gather(&r, path, e);
    for (size_t i = 0; i < r.n; i++)
        cutter_free(&r.cutters[i]);
    free(r.cutters);
    return code;
}

static int check_fields(const struct text_list *list,
                        const struct jsonl_fields *fields, struct err *e)
{
    for (size_t i = 0; i < list->n; i++)
        if (fields->group != NULL && !text_list_is_jsonl(list->paths[i]))
            return err_set(e, ERR_INPUT,
                           "--group-field %s: %s has no fields; only .jsonl "
                           "files do",
                           fields->group, list->paths[i]);
    return 0;
}

static int read_all(struct texts *x, const struct tokenizer *t,
                    const struct text_list *list, const struct texts_options *o,
                    struct err *e)
{
    TRY(check_fields(list, &o->fields, e));
    TRY(arena_get(&x->arena, &x->names, DUMP_GROUPS_MAX, sizeof *x->names,
                  "names of groups", e));
    x->numbers = json_object();
    if (x->numbers == NULL)
        return err_memory(e, "names of groups", 0);
    bool files_are_groups = list->n > 1 && o->fields.group == NULL;
    if (files_are_groups)
        TRY(add_files(x, list, e));
    for (size_t i = 0; i < list->n; i++)
        TRY(read_file(x, t, list->paths[i], o,
                      files_are_groups ? (int32_t)i : -1, e));
    return 0;
}

int texts_read(struct texts *x, const struct tokenizer *t, const char *list,
               const struct texts_options *o, struct err *e)
{
    struct text_list files;
    *x = (struct texts){0};
    TRY(text_list_open(&files, list, e));
    int code = read_all(x, t, &files, o, e);
    text_list_close(&files);
    if (code != 0)
        texts_free(x);
    return code;
}

void texts_free(struct texts *x)
{
    contexts_free(&x->contexts);
    json_decref(x->numbers);
    arena_free(&x->arena);
    *x = (struct texts){0};
}
