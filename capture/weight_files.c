/* SPDX-License-Identifier: MIT */
#include "capture/weight_files.h"

#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/output.h"

#define SINGLE_NAME "model.safetensors"
#define INDEX_NAME "model.safetensors.index.json"

static int set_path(struct weight_files *w, char **out, const char *folder,
                    const char *name, struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    TRY(output_join(path, folder, name, e));
    return arena_string(&w->arena, out, path, e);
}

/* Room for `max` files, of which none is open yet. */
static int make_room(struct weight_files *w, size_t max, struct err *e)
{
    TRY(arena_get(&w->arena, &w->paths, max, sizeof *w->paths, "shards", e));
    return arena_get(&w->arena, &w->files, max, sizeof *w->files, "shards", e);
}

/* Opens w->paths[w->n]. */
static int open_next(struct weight_files *w, struct err *e)
{
    TRY(safetensors_open(&w->files[w->n], w->paths[w->n], e));
    w->n++;
    return 0;
}

/* ---- shards ---- */

/* The file of a tensor, as the index names it, among those that are open, or
 * w->n. */
static size_t find_file(const struct weight_files *w, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < w->n; i++) {
        size_t whole = strlen(w->paths[i]);
        if (whole > length && w->paths[i][whole - length - 1] == '/' &&
            strcmp(w->paths[i] + whole - length, name) == 0)
            return i;
    }
    return w->n;
}

static int open_shard(struct weight_files *w, const char *folder,
                      const char *tensor, const json_t *value, struct err *e)
{
    const char *name = json_string_value(value);
    if (name == NULL || !safetensors_name_ok(name))
        return err_set(e, ERR_INPUT,
                       "%s: the file of tensor '%.80s' is refused: '%.80s'; it "
                       "must be a name in this folder, without '/' and '..'",
                       w->path, tensor, name == NULL ? "no string" : name);
    size_t i = find_file(w, name);
    if (i == w->n) {
        TRY(set_path(w, &w->paths[i], folder, name, e));
        if (access(w->paths[i], F_OK) != 0)
            return err_set(e, ERR_INPUT,
                           "%s: names the shard %.200s, which is not there",
                           w->path, name);
        TRY(open_next(w, e));
    }
    if (safetensors_find(&w->files[i], tensor) == NULL)
        return err_set(e, ERR_INPUT,
                       "%s: says that tensor '%.80s' is in %.200s, which does "
                       "not hold it",
                       w->path, tensor, name);
    return 0;
}

/* Tensors that no one would read are as wrong as missing ones: an index of
 * another model, or a tensor in two shards. */
static int check_all_listed(const struct weight_files *w, const json_t *map,
                            struct err *e)
{
    for (size_t f = 0; f < w->n; f++)
        for (size_t i = 0; i < w->files[f].n; i++) {
            const char *tensor = w->files[f].names[i];
            const char *name = json_string_value(json_object_get(map, tensor));
            if (name == NULL)
                return err_set(e, ERR_INPUT,
                               "%s: holds tensor '%.80s', which %s does not "
                               "list",
                               w->paths[f], tensor, INDEX_NAME);
            if (find_file(w, name) != f)
                return err_set(e, ERR_INPUT,
                               "%s: holds tensor '%.80s', which " INDEX_NAME
                               " says is in %.200s",
                               w->paths[f], tensor, name);
        }
    return 0;
}

static int open_listed(struct weight_files *w, const char *folder,
                       const json_t *root, struct err *e)
{
    json_t *map, *value;
    const char *tensor;
    TRY(json_need(&map, root, "weight_map", JSON_OBJECT, w->path, e));
    if (json_object_size(map) == 0)
        return err_set(e, ERR_INPUT, "%s: 'weight_map' is empty", w->path);
    TRY(make_room(w, json_object_size(map), e));
    json_object_foreach(map, tensor, value)
        TRY(open_shard(w, folder, tensor, value, e));
    return check_all_listed(w, map, e);
}

static int open_shards(struct weight_files *w, const char *folder,
                       struct err *e)
{
    json_t *root;
    TRY(json_read(&root, w->path, e));
    int code = open_listed(w, folder, root, e);
    json_decref(root);
    return code;
}

/* ---- either ---- */

/* As Hugging Face loads them: the one file before the shards. */
static int open_any(struct weight_files *w, const char *folder, struct err *e)
{
    char *index;
    TRY(set_path(w, &w->path, folder, SINGLE_NAME, e));
    TRY(set_path(w, &index, folder, INDEX_NAME, e));
    if (access(w->path, F_OK) == 0) {
        TRY(make_room(w, 1, e));
        w->paths[0] = w->path;
        return open_next(w, e);
    }
    if (access(index, F_OK) != 0)
        return err_set(e, ERR_INPUT,
                       "%s: holds neither " SINGLE_NAME " nor " INDEX_NAME
                       "; other formats must be saved as safetensors first",
                       folder);
    w->path = index;
    return open_shards(w, folder, e);
}

int weight_files_open(struct weight_files *w, const char *folder, struct err *e)
{
    *w = (struct weight_files){0};
    int code = open_any(w, folder, e);
    if (code != 0)
        weight_files_close(w);
    return code;
}

void weight_files_close(struct weight_files *w)
{
    for (size_t i = 0; i < w->n; i++)
        safetensors_close(&w->files[i]);
    arena_free(&w->arena);
    *w = (struct weight_files){0};
}

const struct tensor *weight_files_find(const struct weight_files *w,
                                       const char *name, const char **path)
{
    for (size_t i = 0; i < w->n; i++) {
        const struct tensor *t = safetensors_find(&w->files[i], name);
        if (t != NULL) {
            *path = w->paths[i];
            return t;
        }
    }
    return NULL;
}
