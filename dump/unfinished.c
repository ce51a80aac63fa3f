/* SPDX-License-Identifier: MIT */
#include "dump/unfinished.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/output.h"

static const char format_name[] = "headscope unfinished dump";

/* Shard s of layer l, both from 0. */
static struct manifest_shard *shard_of(const struct manifest *m, size_t l,
                                       size_t s)
{
    size_t each = m->n_shards / (size_t)m->info.layers;
    return &m->shards[l * each + s];
}

/* ---- writing ---- */

/* By shard, then by layer: as they are completed. NULL without memory. */
static json_t *shards_json(const struct manifest *m, size_t complete)
{
    json_t *list = json_array();
    for (size_t s = 0; s < complete; s++)
        for (size_t l = 0; l < (size_t)m->info.layers; l++) {
            const struct manifest_file *file = &shard_of(m, l, s)->file;
            char sum[CHECKSUM_HEX];
            checksum_print(sum, file->xxh3);
            if (json_array_append_new(list, json_pack("{s:s, s:I, s:s}", "file",
                                                      file->name, "bytes",
                                                      (json_int_t)file->bytes,
                                                      "xxh3", sum)) != 0) {
                json_decref(list);
                return NULL;
            }
        }
    return list;
}

int unfinished_write(const char *folder, const char *identity,
                     const struct manifest *m, size_t complete, struct err *e)
{
    char path[OUTPUT_PATH_MAX], written[OUTPUT_PATH_MAX];
    TRY(output_join(path, folder, UNFINISHED_NAME, e));
    TRY(output_join(written, folder, UNFINISHED_NAME ".new", e));
    json_t *root =
        json_pack("{s:s, s:s, s:o}", "format", format_name, "identity",
                  identity, "shards", shards_json(m, complete));
    if (root == NULL)
        return err_memory(e, "list of shards", 0);
    int code = json_write(written, root, e);
    json_decref(root);
    return code != 0 ? code : output_replace_file(written, path, e);
}

/* ---- reading ---- */

/* Whether a shard is what the list says of it. */
static bool is_whole(struct manifest_file *file, const char *folder,
                     const json_t *listed)
{
    char path[OUTPUT_PATH_MAX];
    const char *name, *sum;
    int64_t bytes;
    uint64_t xxh3;
    if (json_need_string(&name, listed, "file", "", NULL) != 0 ||
        json_need_int(&bytes, listed, "bytes", 0, INT64_MAX, "", NULL) != 0 ||
        json_need_string(&sum, listed, "xxh3", "", NULL) != 0 ||
        !checksum_parse(&xxh3, sum) || strcmp(name, file->name) != 0 ||
        output_join(path, folder, file->name, NULL) != 0 ||
        checksum_file(&file->bytes, &file->xxh3, path, NULL) != 0)
        return false;
    return file->bytes == (uint64_t)bytes && file->xxh3 == xxh3;
}

static bool layers_are_whole(struct manifest *m, size_t s, const char *folder,
                             const json_t *list)
{
    for (size_t l = 0; l < (size_t)m->info.layers; l++)
        if (!is_whole(&shard_of(m, l, s)->file, folder,
                      json_array_get(list, s * (size_t)m->info.layers + l)))
            return false;
    return true;
}

void unfinished_read(size_t *complete, bool *same, const char *folder,
                     const char *identity, struct manifest *m)
{
    char path[OUTPUT_PATH_MAX];
    const char *format, *whose;
    json_t *root = NULL;
    *complete = 0;
    *same = output_join(path, folder, UNFINISHED_NAME, NULL) == 0 &&
            json_read(&root, path, NULL) == 0 &&
            json_need_string(&format, root, "format", "", NULL) == 0 &&
            strcmp(format, format_name) == 0 &&
            json_need_string(&whose, root, "identity", "", NULL) == 0 &&
            strcmp(whose, identity) == 0;
    const json_t *list = json_object_get(root, "shards");
    size_t each = m->n_shards / (size_t)m->info.layers;
    while (*same && *complete < each &&
           layers_are_whole(m, *complete, folder, list))
        *complete += 1;
    json_decref(root);
}
