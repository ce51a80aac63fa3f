/* SPDX-License-Identifier: MIT */
#include "dump/safetensors.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum { WHERE_MAX = 320 };

/* An entry of the header, checked by itself. */
struct entry {
    const char *name;
    struct tensor tensor;
    uint64_t begin, end;
};

static const struct {
    const char *name;
    enum dtype dtype;
} type_names[] = {
    {"F32", DTYPE_F32}, {"F16", DTYPE_F16},   {"BF16", DTYPE_BF16},
    {"F64", DTYPE_F64}, {"I32", DTYPE_I32},   {"I64", DTYPE_I64},
    {"I16", DTYPE_I16}, {"U16", DTYPE_U16},   {"U8", DTYPE_U8},
    {"I8", DTYPE_I8},   {"BOOL", DTYPE_BOOL},
};

const char *safetensors_type_name(enum dtype dtype)
{
    for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++)
        if (type_names[i].dtype == dtype)
            return type_names[i].name;
    return NULL;
}

bool safetensors_name_ok(const char *name)
{
    if (*name == '\0' || strchr(name, '/') != NULL ||
        strstr(name, "..") != NULL)
        return false;
    for (; *name != '\0'; name++)
        if ((unsigned char)*name < 0x20 || *name == 0x7f)
            return false;
    return true;
}

static int read_dtype(struct tensor *t, const json_t *object, const char *where,
                      struct err *e)
{
    const char *name;
    TRY(json_need_string(&name, object, "dtype", where, e));
    for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++)
        if (strcmp(type_names[i].name, name) == 0) {
            t->dtype = type_names[i].dtype;
            return 0;
        }
    return err_set(e, ERR_INPUT, "%s: unknown dtype '%.40s'", where, name);
}

static int read_shape(struct tensor *t, const json_t *object, const char *where,
                      struct err *e)
{
    json_t *shape;
    TRY(json_need(&shape, object, "shape", JSON_ARRAY, where, e));
    size_t rank = json_array_size(shape);
    if (rank > TENSOR_RANK_MAX)
        return err_set(e, ERR_INPUT, "%s: %zu axes; at most %d are read", where,
                       rank, TENSOR_RANK_MAX);
    t->rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        const json_t *size = json_array_get(shape, i);
        if (!json_is_integer(size))
            return err_set(e, ERR_INPUT,
                           "%s: 'shape' holds what is no whole number", where);
        t->shape[i] = json_integer_value(size);
    }
    return tensor_bytes(&t->bytes, t->dtype, t->shape, t->rank, where, e);
}

static int read_offsets(struct entry *entry, const json_t *object,
                        uint64_t data_bytes, const char *where, struct err *e)
{
    json_t *offsets;
    TRY(json_need(&offsets, object, "data_offsets", JSON_ARRAY, where, e));
    const json_t *begin = json_array_get(offsets, 0);
    const json_t *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) ||
        !json_is_integer(end))
        return err_set(e, ERR_INPUT,
                       "%s: 'data_offsets' must be two whole numbers", where);
    int64_t from = json_integer_value(begin), to = json_integer_value(end);
    if (from < 0 || to < from)
        return err_set(e, ERR_INPUT,
                       "%s: data_offsets [%" PRId64 ", %" PRId64
                       "] are no range",
                       where, from, to);
    if ((uint64_t)to > data_bytes)
        return err_set(e, ERR_INPUT,
                       "%s: data ends at byte %" PRId64
                       ", but the file holds %" PRIu64
                       " bytes of data; is it cut short?",
                       where, to, data_bytes);
    if ((uint64_t)(to - from) != entry->tensor.bytes)
        return err_set(e, ERR_INPUT,
                       "%s: data_offsets span %" PRId64
                       " bytes, dtype and shape need %zu",
                       where, to - from, entry->tensor.bytes);
    entry->begin = (uint64_t)from;
    entry->end = (uint64_t)to;
    return 0;
}

static int read_entry(struct entry *entry, const char *name,
                      const json_t *object, uint64_t data_bytes,
                      const char *path, struct err *e)
{
    if (!safetensors_name_ok(name))
        return err_set(e, ERR_INPUT,
                       "%s: tensor name '%.80s' is refused: empty, or with "
                       "'/', '..' or a control character",
                       path, name);
    char where[WHERE_MAX];
    (void)snprintf(where, sizeof where, "%.200s: tensor '%.80s'", path, name);
    if (!json_is_object(object))
        return err_set(e, ERR_INPUT, "%s: its entry is no object", where);
    entry->name = name;
    TRY(read_dtype(&entry->tensor, object, where, e));
    TRY(read_shape(&entry->tensor, object, where, e));
    return read_offsets(entry, object, data_bytes, where, e);
}

static int check_metadata(json_t *metadata, const char *path, struct err *e)
{
    bool ok = json_is_object(metadata);
    const char *key;
    json_t *value;
    json_object_foreach(metadata, key, value) ok &= json_is_string(value);
    if (!ok)
        return err_set(e, ERR_INPUT,
                       "%s: __metadata__ must be an object of strings", path);
    return 0;
}

/* By place, empty tensors first where two begin together. */
static int compare_entries(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    if (a->end != b->end)
        return a->end < b->end ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* The tensors must fill the data exactly. */
static int check_coverage(const struct entry *entries, size_t n,
                          uint64_t data_bytes, const char *path, struct err *e)
{
    uint64_t reached = 0;
    for (size_t i = 0; i < n; i++) {
        if (entries[i].begin < reached)
            return err_set(e, ERR_INPUT,
                           "%s: tensor '%.80s' overlaps tensor '%.80s'", path,
                           entries[i].name, entries[i - 1].name);
        if (entries[i].begin > reached)
            return err_set(e, ERR_INPUT,
                           "%s: %" PRIu64 " bytes before tensor '%.80s' belong "
                           "to no tensor",
                           path, entries[i].begin - reached, entries[i].name);
        reached = entries[i].end;
    }
    if (reached != data_bytes)
        return err_set(e, ERR_INPUT,
                       "%s: %" PRIu64 " bytes at the end belong to no tensor",
                       path, data_bytes - reached);
    return 0;
}

static int read_entries(struct safetensors *s, json_t *header,
                        const unsigned char *data, const char *path,
                        struct err *e)
{
    uint64_t data_bytes = (uint64_t)(s->map.data + s->map.size - data);
    size_t n = 0;
    struct entry *entries;
    TRY(arena_get(&s->arena, &entries, json_object_size(header),
                  sizeof *entries, "tensor list", e));
    const char *name;
    json_t *value;
    json_object_foreach(header, name, value)
    {
        if (strcmp(name, "__metadata__") == 0)
            TRY(check_metadata(value, path, e));
        else
            TRY(read_entry(&entries[n++], name, value, data_bytes, path, e));
    }
    qsort(entries, n, sizeof *entries, compare_entries);
    TRY(check_coverage(entries, n, data_bytes, path, e));
    TRY(arena_get(&s->arena, &s->names, n, sizeof *s->names, "names", e));
    TRY(arena_get(&s->arena, &s->tensors, n, sizeof *s->tensors, "tensors", e));
    for (size_t i = 0; i < n; i++) {
        TRY(arena_string(&s->arena, &s->names[i], entries[i].name, e));
        s->tensors[i] = entries[i].tensor;
        s->tensors[i].data = data + entries[i].begin;
    }
    s->n = n;
    return 0;
}

/* Checks the header's size against the file, then parses it. */
static int read_header(json_t **header, const unsigned char **data,
                       const struct map *m, const char *path, struct err *e)
{
    uint64_t size;
    if (m->size < sizeof size)
        return err_set(e, ERR_INPUT,
                       "%s: %zu bytes are too few for a safetensors file", path,
                       m->size);
    memcpy(&size, m->data, sizeof size);
    if (size > m->size - sizeof size)
        return err_set(e, ERR_INPUT,
                       "%s: claims a header of %" PRIu64
                       " bytes in a file of %zu; cut short, or no safetensors "
                       "file",
                       path, size, m->size);
    if (size > SAFETENSORS_HEADER_MAX)
        return err_set(e, ERR_INPUT,
                       "%s: a header of %" PRIu64 " bytes; at most %d are read",
                       path, size, SAFETENSORS_HEADER_MAX);
    json_error_t problem;
    *header = json_loadb((const char *)m->data + sizeof size, (size_t)size,
                         JSON_REJECT_DUPLICATES, &problem);
    if (*header == NULL)
        return err_set(e, ERR_INPUT, "%s: the header is no valid JSON: %s",
                       path, problem.text);
    if (!json_is_object(*header))
        return err_set(e, ERR_INPUT, "%s: the header is no JSON object", path);
    *data = m->data + sizeof size + size;
    return 0;
}

int safetensors_open(struct safetensors *s, const char *path, struct err *e)
{
    *s = (struct safetensors){0};
    json_t *header = NULL;
    const unsigned char *data;
    int code = map_open(&s->map, path, e);
    if (code == 0)
        code = read_header(&header, &data, &s->map, path, e);
    if (code == 0)
        code = read_entries(s, header, data, path, e);
    json_decref(header);
    if (code != 0)
        safetensors_close(s);
    return code;
}

void safetensors_close(struct safetensors *s)
{
    map_close(&s->map);
    arena_free(&s->arena);
    *s = (struct safetensors){0};
}

const struct tensor *safetensors_find(const struct safetensors *s,
                                      const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->names[i], name) == 0)
            return &s->tensors[i];
    return NULL;
}
