/* SPDX-License-Identifier: MIT */
#include "dump/manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "dump/groups.h"
#include "dump/safetensors.h"

static const char format_name[] = "headscope dump";
static const char hook_name[] = "blocks.{layer}.attn.hook_z";
enum { FORMAT_VERSION = 1, WHERE_MAX = 320 };

/* ---- reading ---- */

static int copy_string(struct manifest *m, const char **out,
                       const json_t *object, const char *key, const char *where,
                       struct err *e)
{
    const char *text;
    char *copy;
    TRY(json_need_string(&text, object, key, where, e));
    TRY(arena_string(&m->arena, &copy, text, e));
    *out = copy;
    return 0;
}

static int read_int(int *out, const json_t *object, const char *key, int min,
                    int max, const char *where, struct err *e)
{
    int64_t v;
    TRY(json_need_int(&v, object, key, min, max, where, e));
    *out = (int)v;
    return 0;
}

static int read_size(uint64_t *out, const json_t *object, const char *key,
                     int64_t min, const char *where, struct err *e)
{
    int64_t v;
    TRY(json_need_int(&v, object, key, min, INT64_MAX, where, e));
    *out = (uint64_t)v;
    return 0;
}

static int need_text(const json_t *root, const char *key, const char *expected,
                     const char *path, struct err *e)
{
    const char *text;
    TRY(json_need_string(&text, root, key, path, e));
    if (strcmp(text, expected) != 0)
        return err_set(e, ERR_INPUT, "%s: '%s' is '%.60s', not '%s'", path, key,
                       text, expected);
    return 0;
}

/* {"file", "bytes", "xxh3"} */
static int read_file(struct manifest *m, struct manifest_file *file,
                     const json_t *object, const char *where, struct err *e)
{
    const char *sum;
    TRY(copy_string(m, &file->name, object, "file", where, e));
    if (!safetensors_name_ok(file->name))
        return err_set(e, ERR_INPUT,
                       "%s: file name '%.80s' is refused: empty, or with '/', "
                       "'..' or a control character",
                       where, file->name);
    TRY(read_size(&file->bytes, object, "bytes", 0, where, e));
    TRY(json_need_string(&sum, object, "xxh3", where, e));
    if (!checksum_parse(&file->xxh3, sum))
        return err_set(e, ERR_INPUT,
                       "%s: 'xxh3' must be 16 lower-case hex digits", where);
    return 0;
}

/* A file that need not be there. */
static int read_side_file(struct manifest *m, struct manifest_file *file,
                          const json_t *root, const char *key, const char *path,
                          struct err *e)
{
    const json_t *object = json_object_get(root, key);
    if (object == NULL || json_is_null(object))
        return 0;
    char where[WHERE_MAX];
    (void)snprintf(where, sizeof where, "%.200s: %s", path, key);
    return read_file(m, file, object, where, e);
}

static int read_dtype(enum dtype *dtype, const json_t *root, const char *path,
                      struct err *e)
{
    const char *name;
    TRY(json_need_string(&name, root, "dtype", path, e));
    if (!dtype_from_name(dtype, name) || !dtype_is_activation(*dtype))
        return err_set(e, ERR_INPUT,
                       "%s: dtype '%.40s' must be f32, f16 or bf16", path,
                       name);
    return 0;
}

static int read_biases(int *fold, const json_t *root, const char *path,
                       struct err *e)
{
    const json_t *value = json_object_get(root, "fold_value_biases");
    *fold = -1;
    if (value == NULL || json_is_null(value))
        return 0;
    bool yes;
    TRY(json_need_bool(&yes, root, "fold_value_biases", path, e));
    *fold = yes;
    return 0;
}

static int read_bos(struct manifest *m, const json_t *root, const char *path,
                    struct err *e)
{
    const char **bos = &m->info.bos;
    TRY(copy_string(m, bos, root, "bos", path, e));
    if (strcmp(*bos, "always") != 0 && strcmp(*bos, "never") != 0 &&
        strcmp(*bos, "unknown") != 0)
        return err_set(e, ERR_INPUT,
                       "%s: 'bos' is '%.40s', not always, never or unknown",
                       path, *bos);
    return 0;
}

/* Dumps of older versions have none. */
static int read_model_fingerprint(struct manifest *m, const json_t *root,
                                  const char *path, struct err *e)
{
    if (json_object_get(root, "model_fingerprint") == NULL)
        return 0;
    return copy_string(m, &m->info.model_fingerprint, root, "model_fingerprint",
                       path, e);
}

static int read_info(struct manifest *m, const json_t *root, const char *path,
                     struct err *e)
{
    struct dump_info *info = &m->info;
    TRY(copy_string(m, &info->model, root, "model", path, e));
    TRY(read_model_fingerprint(m, root, path, e));
    TRY(need_text(root, "hook", hook_name, path, e));
    TRY(read_int(&info->layers, root, "layers", 1, DUMP_LAYERS_MAX, path, e));
    TRY(read_int(&info->first_layer, root, "first_layer", 0,
                 DUMP_LAYERS_MAX - info->layers, path, e));
    TRY(read_int(&info->heads, root, "heads", 1, DUMP_HEADS_MAX, path, e));
    TRY(read_int(&info->d_head, root, "d_head", 1, DUMP_WIDTH_MAX / info->heads,
                 path, e));
    TRY(read_int(&info->d_model, root, "d_model", 0, INT32_MAX, path, e));
    TRY(read_dtype(&info->dtype, root, path, e));
    TRY(read_size(&info->tokens, root, "tokens", 1, path, e));
    TRY(read_size(&info->contexts, root, "contexts", 0, path, e));
    TRY(read_bos(m, root, path, e));
    return read_biases(&info->fold_value_biases, root, path, e);
}

static int read_shard(struct manifest *m, size_t i, const json_t *object,
                      const char *path, struct err *e)
{
    struct manifest_shard *s = &m->shards[i];
    const struct dump_info *info = &m->info;
    char where[WHERE_MAX];
    (void)snprintf(where, sizeof where, "%.200s: shard %zu", path, i);
    TRY(read_int(&s->layer, object, "layer", info->first_layer,
                 info->first_layer + info->layers - 1, where, e));
    TRY(read_size(&s->first_row, object, "first_row", 0, where, e));
    TRY(read_size(&s->rows, object, "rows", 1, where, e));
    return read_file(m, &s->file, object, where, e);
}

/* Shard i must go on where the one before it ends. */
static int check_order(const struct manifest *m, size_t i, int *layer,
                       uint64_t *row, const char *path, struct err *e)
{
    const struct manifest_shard *s = &m->shards[i];
    if (*row == m->info.tokens) {
        *layer += 1;
        *row = 0;
    }
    if (s->layer != *layer || s->first_row != *row)
        return err_set(e, ERR_INPUT,
                       "%s: shard %zu has row %" PRIu64
                       " of layer %d, but row %" PRIu64
                       " of layer %d must come next",
                       path, i, s->first_row, s->layer, *row, *layer);
    if (s->rows > m->info.tokens - *row)
        return err_set(e, ERR_INPUT,
                       "%s: shard %zu goes beyond the %" PRIu64
                       " tokens of layer %d",
                       path, i, m->info.tokens, *layer);
    *row += s->rows;
    return 0;
}

/* A file that stands for two shards would give one layer another's rows. */
static int check_names_differ(const struct manifest *m, const char *path,
                              struct err *e)
{
    json_t *seen = json_object();
    int code = seen == NULL ? err_memory(e, "shard names", 0) : 0;
    for (size_t i = 0; code == 0 && i < m->n_shards; i++) {
        const char *name = m->shards[i].file.name;
        if (json_object_get(seen, name) != NULL)
            code = err_set(e, ERR_INPUT, "%s: two shards name the file %s",
                           path, name);
        else if (json_object_set_new_nocheck(seen, name, json_true()) != 0)
            code = err_memory(e, "shard names", 0);
    }
    json_decref(seen);
    return code;
}

static int read_shards(struct manifest *m, const json_t *root, const char *path,
                       struct err *e)
{
    json_t *shards;
    TRY(json_need(&shards, root, "shards", JSON_ARRAY, path, e));
    m->n_shards = json_array_size(shards);
    TRY(arena_get(&m->arena, &m->shards, m->n_shards, sizeof *m->shards,
                  "shard list", e));
    int layer = m->info.first_layer;
    uint64_t row = 0;
    for (size_t i = 0; i < m->n_shards; i++) {
        TRY(read_shard(m, i, json_array_get(shards, i), path, e));
        TRY(check_order(m, i, &layer, &row, path, e));
    }
    TRY(check_names_differ(m, path, e));
    int last = m->info.first_layer + m->info.layers - 1;
    if (layer != last || row != m->info.tokens)
        return err_set(e, ERR_INPUT,
                       "%s: the shards end at row %" PRIu64
                       " of layer %d; %" PRIu64
                       " rows of every layer up to %d are needed",
                       path, row, layer, m->info.tokens, last);
    return 0;
}

/* The names; the file says which context is of which group. */
static int read_groups(struct manifest *m, const json_t *root, const char *path,
                       struct err *e)
{
    TRY(read_side_file(m, &m->groups, root, "groups_file", path, e));
    if (m->groups.name == NULL)
        return 0;
    return groups_read_names(&m->group_names, &m->n_groups, &m->arena, root,
                             path, e);
}

static int check_side_files(const struct manifest *m, const char *path,
                            struct err *e)
{
    if ((m->contexts.name != NULL) != (m->info.contexts != 0))
        return err_set(e, ERR_INPUT,
                       "%s: 'contexts' and 'contexts_file' disagree on whether "
                       "contexts are known",
                       path);
    if (m->groups.name != NULL && m->contexts.name == NULL)
        return err_set(e, ERR_INPUT, "%s: 'groups_file' without contexts_file",
                       path);
    if (m->prompts.name != NULL && m->contexts.name == NULL)
        return err_set(e, ERR_INPUT, "%s: 'prompts_file' without contexts_file",
                       path);
    return 0;
}

static int read_root(struct manifest *m, const json_t *root, const char *path,
                     struct err *e)
{
    int64_t version;
    TRY(need_text(root, "format", format_name, path, e));
    TRY(json_need_int(&version, root, "version", 1, INT64_MAX, path, e));
    if (version != FORMAT_VERSION)
        return err_set(e, ERR_INPUT,
                       "%s: version %" PRId64
                       " is newer than this headscope, which reads %d",
                       path, version, FORMAT_VERSION);
    TRY(read_info(m, root, path, e));
    TRY(read_side_file(m, &m->tokens, root, "tokens_file", path, e));
    TRY(read_side_file(m, &m->contexts, root, "contexts_file", path, e));
    TRY(read_side_file(m, &m->vocab, root, "vocab_file", path, e));
    TRY(read_side_file(m, &m->weights, root, "weights_file", path, e));
    TRY(read_side_file(m, &m->prompts, root, "prompts_file", path, e));
    TRY(read_groups(m, root, path, e));
    TRY(check_side_files(m, path, e));
    return read_shards(m, root, path, e);
}

int manifest_read(struct manifest *m, const char *path, struct err *e)
{
    *m = (struct manifest){0};
    json_t *root;
    TRY(json_read(&root, path, e));
    int code = read_root(m, root, path, e);
    json_decref(root);
    if (code != 0)
        manifest_free(m);
    return code;
}

void manifest_free(struct manifest *m)
{
    arena_free(&m->arena);
    *m = (struct manifest){0};
}

/* ---- writing ---- */

/* Packs into an object that the caller owns; NULL without memory, which the
 * containers above hand on. */
static json_t *side_file_json(const struct manifest_file *file)
{
    char sum[CHECKSUM_HEX];
    if (file->name == NULL)
        return json_null();
    checksum_print(sum, file->xxh3);
    return json_pack("{s:s, s:I, s:s}", "file", file->name, "bytes",
                     (json_int_t)file->bytes, "xxh3", sum);
}

static json_t *shard_json(const struct manifest_shard *s)
{
    char sum[CHECKSUM_HEX];
    checksum_print(sum, s->file.xxh3);
    return json_pack("{s:i, s:I, s:I, s:s, s:I, s:s}", "layer", s->layer,
                     "first_row", (json_int_t)s->first_row, "rows",
                     (json_int_t)s->rows, "file", s->file.name, "bytes",
                     (json_int_t)s->file.bytes, "xxh3", sum);
}

static json_t *shards_json(const struct manifest *m)
{
    json_t *array = json_array();
    for (size_t i = 0; i < m->n_shards; i++)
        if (json_array_append_new(array, shard_json(&m->shards[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

/* What not all dumps have: those without do not mention it. */
static int add_optional_json(json_t *root, const struct manifest *m)
{
    int bad = 0;
    if (m->info.model_fingerprint != NULL)
        bad |= json_object_set_new(root, "model_fingerprint",
                                   json_string(m->info.model_fingerprint));
    if (m->groups.name != NULL) {
        bad |= json_object_set_new(
            root, "groups", groups_names_json(m->group_names, m->n_groups));
        bad |= json_object_set_new(root, "groups_file",
                                   side_file_json(&m->groups));
    }
    if (m->prompts.name != NULL)
        bad |= json_object_set_new(root, "prompts_file",
                                   side_file_json(&m->prompts));
    return bad;
}

static json_t *manifest_json(const struct manifest *m)
{
    const struct dump_info *info = &m->info;
    json_t *fold = info->fold_value_biases < 0
                       ? json_null()
                       : json_boolean(info->fold_value_biases);
    json_t *root = json_pack(
        "{s:s, s:i, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:s, s:I, s:I, s:s, "
        "s:o, s:o, s:o, s:o, s:o, s:o}",
        "format", format_name, "version", FORMAT_VERSION, "model", info->model,
        "hook", hook_name, "first_layer", info->first_layer, "layers",
        info->layers, "heads", info->heads, "d_head", info->d_head, "d_model",
        info->d_model, "dtype", dtype_name(info->dtype), "tokens",
        (json_int_t)info->tokens, "contexts", (json_int_t)info->contexts, "bos",
        info->bos, "fold_value_biases", fold, "tokens_file",
        side_file_json(&m->tokens), "contexts_file",
        side_file_json(&m->contexts), "vocab_file", side_file_json(&m->vocab),
        "weights_file", side_file_json(&m->weights), "shards", shards_json(m));
    if (root != NULL && add_optional_json(root, m) == 0)
        return root;
    json_decref(root);
    return NULL;
}

int manifest_write(const struct manifest *m, const char *path, struct err *e)
{
    json_t *root = manifest_json(m);
    if (root == NULL)
        return err_memory(e, "manifest", 0);
    int code = json_write(path, root, e);
    json_decref(root);
    return code;
}

int manifest_fingerprint(const struct manifest *m, char out[FINGERPRINT_HEX],
                         struct err *e)
{
    struct fingerprint f;
    json_t *root = manifest_json(m);
    char *text =
        root == NULL ? NULL : json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(root);
    if (text == NULL)
        return err_memory(e, "manifest", 0);
    int code = fingerprint_begin(&f, e);
    if (code == 0) {
        fingerprint_add(&f, text, strlen(text));
        fingerprint_end(&f, out);
    }
    free(text);
    return code;
}
