/* SPDX-License-Identifier: MIT */
#include "dump/safetensors.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* Data begins at a multiple of 8, as in files of the reference implementation;
 * JSON allows the spaces that fill up. */
enum { HEADER_ALIGNMENT = 8 };

/* NULL without memory. */
static json_t *entry_json(const struct safetensors_entry *entry, uint64_t begin,
                          uint64_t end)
{
    json_t *shape = json_array();
    for (int i = 0; i < entry->rank; i++)
        if (json_array_append_new(shape, json_integer(entry->shape[i])) != 0) {
            json_decref(shape);
            return NULL;
        }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype",
                     safetensors_type_name(entry->dtype), "shape", shape,
                     "data_offsets", (json_int_t)begin, (json_int_t)end);
}

/* The header as text (the caller's free) and the bytes of data it announces. */
static int make_header(char **text, uint64_t *data_bytes,
                       const struct safetensors_entry *entries, size_t n,
                       const char *path, struct err *e)
{
    json_t *header = json_object();
    uint64_t reached = 0;
    bool bad = header == NULL;
    for (size_t i = 0; i < n && !bad; i++) {
        size_t bytes;
        assert(safetensors_name_ok(entries[i].name));
        int code = tensor_bytes(&bytes, entries[i].dtype, entries[i].shape,
                                entries[i].rank, path, e);
        if (code != 0) {
            json_decref(header);
            return code;
        }
        bad = json_object_set_new(
                  header, entries[i].name,
                  entry_json(&entries[i], reached, reached + bytes)) != 0;
        reached += bytes;
    }
    *text = bad ? NULL : json_dumps(header, JSON_COMPACT);
    json_decref(header);
    *data_bytes = reached;
    return *text == NULL ? err_memory(e, "safetensors header", 0) : 0;
}

static int put(struct safetensors_writer *w, const void *data, size_t bytes,
               struct err *e)
{
    if (fwrite(data, 1, bytes, w->file) != bytes)
        return err_errno(e, "cannot write %s", w->path);
    (void)XXH3_64bits_update(w->hash, data, bytes);
    w->bytes += bytes;
    return 0;
}

static int put_header(struct safetensors_writer *w, const char *text,
                      struct err *e)
{
    size_t length = strlen(text);
    size_t fill =
        (HEADER_ALIGNMENT - length % HEADER_ALIGNMENT) % HEADER_ALIGNMENT;
    uint64_t size = length + fill;
    TRY(put(w, &size, sizeof size, e));
    TRY(put(w, text, length, e));
    return put(w, "        ", fill, e);
}

int safetensors_begin(struct safetensors_writer *w, const char *path,
                      const struct safetensors_entry *entries, size_t n,
                      struct err *e)
{
    *w = (struct safetensors_writer){.path = path};
    char *text;
    TRY(make_header(&text, &w->left, entries, n, path, e));
    int code = 0;
    w->hash = XXH3_createState();
    if (w->hash == NULL)
        code = err_memory(e, "checksum", 0);
    if (code == 0) {
        (void)XXH3_64bits_reset(w->hash);
        w->file = fopen(path, "wb");
        if (w->file == NULL)
            code = err_errno(e, "cannot write %s", path);
    }
    if (code == 0)
        code = put_header(w, text, e);
    free(text);
    if (code != 0)
        safetensors_abandon(w);
    return code;
}

int safetensors_put(struct safetensors_writer *w, const void *data,
                    size_t bytes, struct err *e)
{
    assert(bytes <= w->left);
    TRY(put(w, data, bytes, e));
    w->left -= bytes;
    return 0;
}

int safetensors_end(struct safetensors_writer *w, struct err *e)
{
    if (w->left != 0)
        return err_set(e, ERR_SYSTEM,
                       "%s: %llu bytes of the announced data are missing",
                       w->path, (unsigned long long)w->left);
    int bad = fclose(w->file);
    w->file = NULL;
    if (bad != 0)
        return err_errno(e, "cannot write %s", w->path);
    w->xxh3 = XXH3_64bits_digest(w->hash);
    safetensors_abandon(w);
    return 0;
}

void safetensors_abandon(struct safetensors_writer *w)
{
    if (w->file != NULL)
        (void)fclose(w->file);
    w->file = NULL;
    (void)XXH3_freeState(w->hash);
    w->hash = NULL;
}
