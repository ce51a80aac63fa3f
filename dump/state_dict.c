/* SPDX-License-Identifier: MIT
 *
 * Archives of torch.save: NAME/data.pkl, the pickle, and its storages
 * NAME/data/0, NAME/data/1 and so on, raw and not packed; NAME/byteorder says
 * how their numbers lie. NAME is any folder.
 */
#include "dump/tensor_file.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "dump/pickle.h"

enum { MEMBER_NAME_MAX = 512 };

/* NAME of NAME/data.pkl; there is one (tensor_file.c), and no second. */
static int find_root(char root[MEMBER_NAME_MAX], const struct archive *a,
                     struct err *e)
{
    static const char end[] = "/data.pkl";
    size_t found = 0;
    for (size_t i = 0; i < a->n; i++) {
        const char *name = archive_name(a, i);
        size_t n = strlen(name);
        if (n < sizeof end || strcmp(name + n - sizeof end + 1, end) != 0)
            continue;
        if (found++ > 0 || n >= MEMBER_NAME_MAX - 40)
            return err_set(e, ERR_INPUT,
                           "%s: data.pkl is there twice, or its name too long",
                           a->path);
        (void)snprintf(root, MEMBER_NAME_MAX, "%.*s",
                       (int)(n - (sizeof end - 1)), name);
    }
    return 0;
}

static bool has(const struct archive *a, const char *name)
{
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(archive_name(a, i), name) == 0)
            return true;
    return false;
}

static int check_byte_order(const struct archive *a, const char *root,
                            struct err *e)
{
    char name[MEMBER_NAME_MAX], order[8] = "";
    struct archive_member m;
    (void)snprintf(name, sizeof name, "%.470s/byteorder", root);
    if (!has(a, name))
        return 0;
    TRY(archive_find(&m, a, name, e));
    if (m.size < sizeof order)
        TRY(archive_read(a, &m, order, m.size, e));
    if (m.size < sizeof order && strcmp(order, "little") == 0)
        return 0;
    return err_set(e, ERR_INPUT,
                   "%s: byteorder is not 'little'; save it again on a "
                   "little-endian computer",
                   a->path);
}

static int read_pickle(struct pickle *p, struct tensor_file *f,
                       const char *root, struct err *e)
{
    char name[MEMBER_NAME_MAX], where[400];
    struct archive_member m;
    void *bytes;
    (void)snprintf(name, sizeof name, "%.470s/data.pkl", root);
    TRY(archive_find(&m, &f->archive, name, e));
    if (m.size > PICKLE_BYTES_MAX)
        return err_set(e, ERR_INPUT,
                       "%s: a pickle of %zu bytes; at most %d are read",
                       f->path, m.size, PICKLE_BYTES_MAX);
    TRY(arena_get(&f->arena, &bytes, m.size, 1, "the pickle", e));
    TRY(archive_read(&f->archive, &m, bytes, m.size, e));
    (void)snprintf(where, sizeof where, "%.390s", f->path);
    return pickle_read(p, bytes, m.size, where, e);
}

/* Finds a tensor's storage, which must have the size that the pickle says. */
static int place_tensor(struct tensor_file *f, size_t i, const char *root,
                        const struct pickle_tensor *t, struct err *e)
{
    struct tensor_place *place = &f->places[i];
    char name[MEMBER_NAME_MAX];
    (void)snprintf(name, sizeof name, "%.470s/data/%.20s", root, t->storage);
    TRY(archive_find(&place->member, &f->archive, name, e));
    if (!place->member.stored)
        return err_set(e, ERR_INPUT,
                       "%s: storage '%s' is packed, which torch.save does not "
                       "do",
                       f->path, t->storage);
    if (place->member.size != t->storage_bytes)
        return err_set(e, ERR_INPUT,
                       "%s: tensor '%s': its storage has %zu bytes, the pickle "
                       "says %zu",
                       f->path, t->name, place->member.size, t->storage_bytes);
    place->at = t->at;
    place->transposed = t->transposed;
    f->tensors[i] = t->tensor;
    return arena_string(&f->arena, &f->names[i], t->name, e);
}

static int place_tensors(struct tensor_file *f, const char *root,
                         const struct pickle *p, struct err *e)
{
    TRY(arena_get(&f->arena, &f->names, p->n, sizeof *f->names, "names", e));
    TRY(arena_get(&f->arena, &f->tensors, p->n, sizeof *f->tensors, "tensors",
                  e));
    TRY(arena_get(&f->arena, &f->places, p->n, sizeof *f->places, "tensors",
                  e));
    for (size_t i = 0; i < p->n; i++)
        TRY(place_tensor(f, i, root, &p->tensors[i], e));
    f->n = p->n;
    return 0;
}

int tensor_file_read_state_dict(struct tensor_file *f, struct err *e)
{
    char root[MEMBER_NAME_MAX] = "";
    struct pickle p = {0};
    TRY(find_root(root, &f->archive, e));
    TRY(check_byte_order(&f->archive, root, e));
    int code = read_pickle(&p, f, root, e);
    if (code == 0)
        code = place_tensors(f, root, &p, e);
    pickle_free(&p);
    return code;
}

/* ---- writing ---- */

/* Members in the order in which torch.save has them. */
static int write_members(const char *path, const struct tensor_entry *entries,
                         size_t n, struct arena *arena, struct err *e)
{
    struct pickle_tensor *tensors;
    struct archive_entry *members;
    unsigned char *pickle;
    TRY(arena_get(arena, &tensors, n, sizeof *tensors, path, e));
    TRY(arena_get(arena, &members, n + 3, sizeof *members, path, e));
    for (size_t i = 0; i < n; i++) {
        char key[24], name[48], *kept;
        (void)snprintf(key, sizeof key, "%zu", i);
        (void)snprintf(name, sizeof name, "archive/data/%zu", i);
        TRY(arena_string(arena, &tensors[i].storage, key, e));
        TRY(arena_string(arena, &tensors[i].name, entries[i].name, e));
        TRY(arena_string(arena, &kept, name, e));
        tensors[i].tensor = entries[i].tensor;
        members[i + 2] =
            (struct archive_entry){.name = kept,
                                   .data = entries[i].tensor.data,
                                   .bytes = entries[i].tensor.bytes};
    }
    size_t size;
    TRY(pickle_write(&pickle, &size, tensors, n, arena, e));
    members[0] = (struct archive_entry){
        .name = "archive/data.pkl", .data = pickle, .bytes = size};
    members[1] = (struct archive_entry){
        .name = "archive/byteorder", .data = "little", .bytes = 6};
    members[n + 2] = (struct archive_entry){
        .name = "archive/version", .data = "3\n", .bytes = 2};
    return archive_write(path, members, n + 3, e);
}

int tensor_file_write_state_dict(const char *path,
                                 const struct tensor_entry *entries, size_t n,
                                 struct err *e)
{
    struct arena arena = {0};
    int code = write_members(path, entries, n, &arena, e);
    arena_free(&arena);
    return code;
}
